"""A sound metric, and what can be broken in it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowzoo.builtin.affine import Affine
from flowzoo.component import Check
from flowzoo.dequantisation import dequantise
from flowzoo.flow import Flow
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.units import bits_per_dim
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


def also(act: Callable[[Trained], object]) -> Break:
    """Return a break that does something else before it measures."""

    def measure(metric: Brightness, trained: Trained) -> Measurement:
        act(trained)
        return Brightness.measure(metric, trained)

    return instead("measure", measure)


def shifted(trained: Trained) -> None:
    with torch.no_grad():
        for parameter in trained.flow.parameters():
            parameter.add_(1e-3)


def trained_on(trained: Trained) -> None:
    optimiser = torch.optim.SGD(trained.flow.parameters(), lr=1e-3)
    images = trained.dataset.split("train").take(range(8))
    trained.flow.bits_per_dim(images).mean().backward()
    optimiser.step()


def painted_over(trained: Trained) -> None:
    split: Any = trained.dataset.split("test")
    split._images.zero_()


def with_hooks(trained: Trained) -> None:
    trained.flow.register_forward_hook(lambda *_: None)


def counting(metric: Brightness) -> Brightness:
    """Add what was measured before, as a metric does that forgets to reset what it gathers."""
    seen: list[float] = []

    def add(found: Measurement, *_: Any) -> Measurement:
        seen.append(found.value or 0.0)
        return replace(found, value=math.fsum(seen))

    return after("measure", add)(metric)


def of_images(compute: Callable[[Flow, Tensor], Tensor], unit: str = "bits/dim") -> Break:
    """Return a break that measures a function of the model and of test images."""

    def measure(metric: Brightness, trained: Trained) -> Measurement:
        images = trained.dataset.split("test").take(range(16))
        with torch.no_grad():
            return Measurement(float(compute(trained.flow, images).mean()), unit, better="lower")

    return instead("measure", measure)


def as_bytes(flow: Flow, images: Tensor) -> Tensor:
    return bits_per_dim(flow.log_prob(dequantise(images, 256)), flow.dimensions, 256)


def without_noise(flow: Flow, images: Tensor) -> Tensor:
    return -flow.log_prob(images.float() / 256)


def up_to_255(flow: Flow, images: Tensor) -> Tensor:
    return -flow.log_prob(images.float() / 255)


def eight_bits(flow: Flow, images: Tensor) -> Tensor:
    x = dequantise(images, flow.bins)
    return 8 - flow.log_prob(x) / (flow.dimensions * math.log(2))


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
        "it gathers from model to model": ("repeatable", counting),
        "it depends on NumPy's generator": (
            "repeatable",
            after("measure", lambda found, *_: replace(found, value=np.random.rand())),
        ),
        "the global generator is used": (
            "global-random-state",
            after("measure", lambda found, *_: (torch.rand(1), found)[1]),
        ),
        "the global generator is seeded": ("global-random-state", also(lambda _: torch.manual_seed(0))),
        "NumPy's generator is seeded": ("global-random-state", also(lambda _: np.random.seed(0))),
        "Python's generator is seeded": ("global-random-state", also(lambda _: random.seed(0))),
        "weights are changed": ("model-unchanged", also(shifted)),
        "the model is trained on": ("model-unchanged", also(trained_on)),
        "the model is set to train": ("model-unchanged", also(lambda trained: trained.flow.eval())),
        "parameters are frozen": (
            "model-unchanged",
            also(lambda trained: trained.flow.requires_grad_(False)),
        ),
        "the model's dtype is changed": ("model-unchanged", also(lambda trained: trained.flow.double())),
        "hooks stay on the model": ("model-unchanged", also(with_hooks)),
        "images are changed": ("model-unchanged", also(painted_over)),
        "options are changed": (
            "model-unchanged",
            also(lambda trained: trained.training.update(batch_size=1)),  # type: ignore[attr-defined]
        ),
        "a level is replaced": (
            "model-unchanged",
            also(lambda trained: setattr(trained.flow, "pixels", Affine(2.0, -1.0))),
        ),
        "noise is one of 256 levels wide": ("bins", of_images(as_bytes)),
        "images are divided by 256": ("bins", of_images(without_noise, "nats")),
        "images are divided by 255": ("bins", of_images(up_to_255, "nats")),
        "a byte's eight bits are added": ("bins", of_images(eight_bits)),
        "NumPy gets a tensor of the model's": (
            "other-device",
            of_images(lambda flow, images: torch.as_tensor(flow.bits_per_dim(images).numpy().mean())),
        ),
        "a tensor of the CPU meets one of the model's": (
            "other-device",
            of_images(lambda flow, images: flow.bits_per_dim(images) * torch.ones(len(images))),
        ),
        "it gives another figure off the CPU": (
            "other-device",
            of_images(lambda flow, images: flow.bits_per_dim(images) + (flow.device.type != "cpu")),
        ),
    },
    check=Check(shape=(1, 4, 4)),
)
