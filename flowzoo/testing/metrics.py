"""Checks of metrics, on a tiny model that has been through a training of a few steps' worth of log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import torch

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.data.dataset import SPLITS, Dataset, ImageSource
from flowzoo.data.memory import in_memory
from flowzoo.dequantisation import dequantise
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.metric import Better, Measurement, Metric, Trained
from flowzoo.shapes import Shape
from flowzoo.testing.draws import global_state_left_alone, randomise
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

BINS = 17

IMAGES = 48
"""In each split."""

TRAINING: Mapping[str, Any] = {
    "batch_size": 8,
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "warmup": 100,
    "schedule": "cosine",
    "precision": "float32",
    "clip": 100.0,
    "average": 0.999,
    "order": "jointly",
    "scoring": 0.1,
    "scoring_images": 16,
    "initial_images": 48,
    "validations": 3,
    "validation_images": 16,
    "validation_batch_size": 16,
}
"""Every option of the trainer; the kit stands beside training and does not import it."""

LOG: tuple[Mapping[str, Any], ...] = (
    {"step": 0, "seconds": 0.1, "stage": "all levels", "loss": 5.0},
    {"step": 2, "seconds": 0.4, "stage": "all levels", "validation_bits_per_dim": 4.5},
    {"step": 4, "seconds": 0.8, "stage": "all levels", "validation_bits_per_dim": 4.2},
    {"step": 6, "seconds": 1.2, "stage": "all levels", "validation_bits_per_dim": 4.1},
)


def tiny_trained(shape: Shape) -> Trained:
    """Return a model of two levels that needs no plugin, and what a metric is told of its training.

    Args:
        shape: ``(C, H, W)`` of its images, with an even height and width.
    """
    dataset = _smooth_images(shape)
    coarse = shape[0]
    levels = [
        Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), ActNorm(3 * coarse)),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), ActNorm(coarse)),
    ]
    flow = Flow(shape, levels, Affine(2.0, -1.0), BINS)
    flow.initialise([dequantise(_all(dataset.split("train")), BINS)])
    randomise(flow, seed=0)
    return Trained(flow, dataset, dict(TRAINING), LOG, steps=6, seconds=1.3, seed=3)


def measures_a_model(trial: Trial) -> None:
    """A trained model goes in, and a measurement comes out."""
    metric = trial.build()
    require(isinstance(metric, Metric), f"the builder returned a {type(metric).__name__}, expected a Metric")
    found = _measure(trial)
    require(isinstance(found, Measurement), f"measure returned a {type(found).__name__}")


def gives_a_figure_or_says_why_not(trial: Trial) -> None:
    """Figure and error are finite; where there is none, or none to be ranked, objections say why."""
    found = _measure(trial)
    if found.value is None:
        require(bool(found.objections), "there is no value, and no objection says why")
    else:
        _require_number("value", found.value)
    if found.error is not None:
        _require_number("error", found.error)
        require(found.error >= 0, f"error is {found.error}, expected at least 0")
    require(
        found.valid == (not found.objections),
        f"valid is {found.valid} with objections {list(found.objections)}; "
        "a figure is valid unless there are some",
    )


def states_its_unit(trial: Trial) -> None:
    """The unit is a word or empty, and it is clear which figures are better."""
    found = _measure(trial)
    is_text = isinstance(found.unit, str)
    require(is_text and found.unit == found.unit.strip(), f"unit is {found.unit!r}, expected text or ''")
    known = get_args(Better)
    require(
        found.better in known, f"better is {found.better!r}, expected one of {', '.join(map(repr, known))}"
    )


def is_plain_data(trial: Trial) -> None:
    """What stands beside the figure comes back from JSON as it was, so that a record can hold it."""
    found = asdict(_measure(trial))
    for field in ("conditions", "details"):
        value = found[field]
        try:
            read = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            require(False, f"{field} cannot be written as JSON: {error}")
        require(read == value, f"{field} comes back from JSON as {read}, was {value}")
        require(all(value), f"{field} has an empty name")


def repeats_itself(trial: Trial) -> None:
    """A metric that declares to repeat gives the same again, whatever the global random state."""
    found = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            found.append(_measure(trial))
    first, second = found
    require(first.repeats == second.repeats, "it repeats at one time and not at another")
    require(not first.repeats or first == second, f"it declares to repeat, and gives {first}, then {second}")


def leaves_global_state_alone(trial: Trial) -> None:
    """Measuring does not touch the global random state."""
    metric, trained = trial.build(), tiny_trained(trial.check.shape)
    with global_state_left_alone("measuring"):
        metric.measure(trained)


def _measure(trial: Trial) -> Measurement:
    found: Measurement = trial.build().measure(tiny_trained(trial.check.shape))
    return found


def _require_number(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    require(number, f"{name} is a {type(value).__name__}, expected a number")
    require(math.isfinite(value), f"{name} is {value}")


def _smooth_images(shape: Shape) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((len(SPLITS), IMAGES, *shape), generator=generator)
    images = (images + images.roll(1, -1) + images.roll(1, -2)) / 3
    splits = zip(SPLITS, (images * BINS).floor().numpy(), strict=True)
    return in_memory(
        "tiny", dict(splits), bins=BINS, licence="none", source="drawn", pixels={"name": "affine"}
    )


def _all(source: ImageSource) -> torch.Tensor:
    return source.take(range(len(source)))
