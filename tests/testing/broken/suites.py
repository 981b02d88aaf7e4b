"""A sound suite, and what can be broken in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.testing.broken.example import Break, Example

SOUND: Mapping[str, Any] = {
    "summary": "A suite for the tests alone",
    "models": [{"name": "gaussian"}, {"name": "glow", "options": {"levels": 3}, "budget": {"images": 640}}],
    "data": [{"name": "digits", "published": "a set of its own"}],
    "budget": {"seconds": 20},
    "training": {"batch_size": 64},
    "metrics": ["bits-per-dim", {"name": "sample-speed", "seconds": 2.0}],
    "timeout": 60,
}


def changed(**changes: Any) -> Break:
    """Return a break that changes keys of the suite."""
    return lambda suite: {**suite, **changes}


def row(**entry: Any) -> Break:
    """Return a break that adds a row."""
    return lambda suite: {**suite, "models": [*suite["models"], entry]}


def raises(_: Any) -> Any:
    raise RuntimeError("a suite that cannot be read")


SUITE = Example(
    "suite",
    lambda _: dict(SOUND),
    {
        "it cannot be built": ("builds", raises),
        "it is no suite": ("builds", lambda _: object()),
        "its file is not there": ("builds", lambda _: Path("no-such-suite.yaml")),
        "a key is misspelt": ("builds", changed(metric=["bits-per-dim"])),
        "the summary is missing": ("builds", lambda suite: {**suite, "summary": ""}),
        "a budget is negative": ("builds", changed(budget={"steps": -1})),
        "a budget is in two units": ("builds", changed(budget={"steps": 1, "seconds": 1})),
        "a model does not exist": ("names-and-options", row(name="golw")),
        "a pattern matches no model": ("names-and-options", row(name="golw*")),
        "a data set does not exist": ("names-and-options", changed(data=["digit"])),
        "a metric does not exist": ("names-and-options", changed(metrics=["bits-per-dims"])),
        "a model's option is misspelt": ("names-and-options", row(name="realnvp", options={"level": 2})),
        "a nested option is misspelt": (
            "names-and-options",
            row(name="realnvp", options={"joint": {"blcoks": 2}}),
        ),
        "an option is out of range": ("names-and-options", row(name="realnvp", options={"levels": 0})),
        "a metric's option is misspelt": (
            "names-and-options",
            changed(metrics=[{"name": "bits-per-dim", "split": "tset"}]),
        ),
        "the pixel transform does not exist": (
            "names-and-options",
            row(name="realnvp", label="other", pixels="logti"),
        ),
        "an option of training is misspelt": ("names-and-options", changed(training={"batchsize": 64})),
        "two rows share a name": ("names-and-options", row(name="gaussian")),
        "nothing of it is installed": (
            "names-and-options",
            changed(optional=True, models=["not-installed"]),
        ),
        "a cell times out before it has trained": ("names-and-options", changed(timeout=20)),
        "a budget is less than a batch": ("names-and-options", changed(budget={"images": 63})),
        "published figures are misspelt": (
            "names-and-options",
            changed(data=[{"name": "digits", "published": "CIFAR10"}]),
        ),
        "a model has too many levels for the data": (
            "plan",
            row(name="wavelet-flow", options={"levels": 9}),
        ),
        "a part does not fit the model": (
            "plan",
            row(name="glow", label="other", options={"split": "lcma", "transform": "haar"}),
        ),
        "there are fewer steps than stages": (
            "plan",
            row(name="wavelet-flow", training={"order": "separately"}, budget={"steps": 1}),
        ),
        "levels that depend on one another train apart": (
            "plan",
            row(name="realnvp", training={"order": "separately"}),
        ),
    },
)
