"""Stored log-likelihoods: a component that computes something else has to raise its revision."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowzoo.component import Kind
from flowzoo.errors import FileError
from flowzoo.files import write_json
from flowzoo.registry.loader import default_registry
from flowzoo.testing.bijectors import Bijector
from flowzoo.testing.cases import plugin_under_test
from flowzoo.testing.dequantisations import Noise
from flowzoo.testing.draws import Draws
from flowzoo.testing.models import Model
from flowzoo.testing.networks import Net, variants_of
from flowzoo.testing.result import CheckFailed
from flowzoo.testing.splits import Split
from flowzoo.testing.subject import Subject
from flowzoo.testing.transforms import Transform
from flowzoo.testing.trial import Trial, trials_of

TOLERANCE = 1e-6
"""Largest relative difference; other machines and versions of torch round differently."""

_SUBJECTS: dict[Kind, type[Subject]] = {
    "transform": Transform,
    "bijector": Bijector,
    "split": Split,
    "network": Net,
    "dequantisation": Noise,
    "model": Model,
}


def check_log_likelihoods(distribution: str, file: Path) -> None:
    """Compare what a plugin's components compute with what a file stores, and store what is new.

    In a plugin's tests::

        def test_computes_the_same_as_before_unless_the_revision_is_raised() -> None:
            check_log_likelihoods("flowzoo-mine", Path(__file__).with_name("log_likelihoods.json"))

    The file holds figures of each component that maps images, in each of its trials, with seeded weights and
    images, in float64: the mean log-likelihood where there is one, and one number for each output. It is kept
    under version control. What is new, or has a higher revision, is stored. Where the environment variable
    ``CI`` is set, that is a failure, since the file would be lost.

    Args:
        distribution: The name of the plugin's distribution.
        file: The file, which is made if it does not exist.

    Raises:
        CheckFailed: A component computes something else and has the same revision, or a lower one.
        PluginError: The plugin is not installed, it fails, or one of its components cannot be used.
        FileError: The file cannot be read or written.
    """
    stored = _read(file)
    found = _figures(distribution)
    wrong = [_difference(key, stored[key], each) for key, each in found.items() if key in stored]
    if any(wrong):
        raise CheckFailed("; ".join(filter(None, wrong)))
    if _names(found) != _names(stored):
        if os.environ.get("CI"):
            raise CheckFailed(
                f"{file.name} does not hold the figures of the components as they are now. Run the tests on "
                "your machine, and commit the file that they write"
            )
        write_json(file, found)


def _figures(distribution: str) -> dict[str, dict[str, Any]]:
    """Return the revision and the figures of every component that maps images."""
    registry = default_registry()
    found = {}
    for component in plugin_under_test(distribution).components:
        kind = component.kind
        if kind in _SUBJECTS:
            figures = {}
            for trial in trials_of(kind, registry.address(component)):
                for variant in variants_of(trial) if kind == "network" else [trial]:
                    figures[_title(variant)] = _computed(_SUBJECTS[kind], variant)
            found[f"{kind} {component.name}"] = {"revision": component.revision, "figures": figures}
    return found


def _computed(kind: type[Subject], trial: Trial) -> dict[str, float]:
    subject = kind.ready(trial)
    outputs = subject.evaluate(subject.images(), subject.context(), Draws())
    figures = {name: _weighted(each) for name, each in outputs.items()}
    if {"y", "log_det"} <= outputs.keys():
        y = outputs["y"].flatten(1)
        normal = -0.5 * (y.square() + math.log(2 * math.pi)).sum(1)
        figures["log-likelihood"] = (normal + outputs["log_det"]).mean().item()
    return figures


def _weighted(output: Tensor) -> float:
    """Return one number that depends on each value and on its place."""
    values = output.double().flatten()
    weights = torch.arange(1, 1 + len(values), dtype=torch.float64).cos()
    return (weights * values).sum().item()


def _title(trial: Trial) -> str:
    """Return what distinguishes a trial from a component's others."""
    context = "" if trial.check.context_shape is None else "context"
    return ", ".join(filter(None, [trial.title or "trial", context, "time" if trial.timed else ""]))


def _names(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored, without the numbers."""
    return {
        key: (each["revision"], {title: sorted(numbers) for title, numbers in each["figures"].items()})
        for key, each in figures.items()
    }


def _difference(key: str, stored: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return what differs though the revision is not raised, in a sentence; empty if nothing does."""
    if found["revision"] != stored["revision"]:
        lowered = found["revision"] < stored["revision"]
        return f"{key} has a lower revision than the stored {stored['revision']}. Raise it" if lowered else ""
    for title, figures in found["figures"].items():
        before = stored["figures"].get(title, {})
        for name, value in figures.items():
            if name in before and not math.isclose(value, before[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                return (
                    f"{key} computes something else: '{name}' of '{title}' is {value:.9g}, stored is "
                    f"{before[name]:.9g}. Raise its revision from {found['revision']}, or undo the change. "
                    "If only its Check has changed, remove it from the file"
                )
    return ""


def _read(file: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FileError(f"{file} is not JSON ({error}). Restore it from version control") from error
    return stored
