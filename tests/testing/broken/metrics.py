"""A sound metric, and what can be broken in it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from flowzoo.component import Check
from flowzoo.metric import Measurement, Metric, Trained
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    instead,
)


class Brightness(Metric):
    """The mean of samples."""

    def measure(self, trained: Trained) -> Measurement:
        samples = trained.flow.sample(8, seed=trained.seed)
        error = float(samples.std()) / math.sqrt(samples.numel())
        return Measurement(float(samples.mean()), "", error=error, conditions={"samples": 8})


def measured(**changes: Any) -> Break:
    """Return a break that changes fields of what is measured."""
    return after("measure", lambda found, *_: replace(found, **changes))


def without_seed(metric: Brightness, trained: Trained) -> Measurement:
    return replace(Brightness.measure(metric, trained), value=float(trained.flow.sample(8).mean()))


def with_global_draws(metric: Brightness, trained: Trained) -> Measurement:
    with torch.random.fork_rng(devices=[]):
        return replace(Brightness.measure(metric, trained), value=torch.rand(()).item())


METRIC = Example(
    "metric",
    lambda _: Brightness(),
    {
        "it is no metric": ("measures", lambda metric: object()),
        "it measures nothing": ("measures", after("measure", lambda found, *_: found.value)),
        "the value is not finite": ("figure", measured(value=math.nan)),
        "the value is a tensor": ("figure", measured(value=torch.ones(()))),
        "there is no value and no reason": ("figure", measured(value=None)),
        "the error is not finite": ("figure", measured(error=math.inf)),
        "the error is negative": ("figure", measured(error=-1.0)),
        "a figure that is not to be ranked has no objections": ("figure", measured(valid=False)),
        "a figure with objections may be ranked": ("figure", measured(objections=("it is wrong",))),
        "the unit is missing": ("unit", measured(unit=None)),
        "better is no direction": ("unit", measured(better="larger")),
        "a condition is a tensor": ("plain-data", measured(conditions={"mean": torch.ones(())})),
        "a detail is not finite": ("plain-data", measured(details={"worst": math.inf})),
        "a detail's names are numbers": ("plain-data", measured(details={2.5: 1.0})),
        "a detail is a tuple": ("plain-data", measured(details={"curve": (1.0, 2.0)})),
        "a condition has no name": ("plain-data", measured(conditions={"": 1})),
        "it declares to repeat and does not": ("repeatable", instead("measure", without_seed)),
        "it depends on the global generator": ("repeatable", instead("measure", with_global_draws)),
        "the global generator is used": (
            "global-random-state",
            after("measure", lambda found, *_: (torch.rand(1), found)[1]),
        ),
    },
    check=Check(shape=(1, 4, 4)),
)
