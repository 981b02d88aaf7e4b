"""Measures speeds: warm up, wait for the device, repeat, and return the median and the spread."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field

from flowzoo.metric import Measurement

Repetitions = Annotated[int, Field(ge=3, description="Number of timed repetitions.")]
Seconds = Annotated[
    float,
    Field(gt=0, description="Time limit in seconds, warm-up included; at least 3 repetitions are timed."),
]

FEWEST = 3
"""Smallest number of timed repetitions, however slow they are."""

WARM_UP = 3
"""Number of calls before the first timed one: they compile, allocate, and let solvers find their steps."""

WARM_UP_PART = 1 / 3
"""Part of the time limit after which no further warm-up call begins."""


@dataclass(frozen=True)
class Speed:
    """Speeds in images per second.

    Attributes:
        rates: One speed for each timed repetition.
        batch_size: Number of images in a repetition.
        warm_up: Number of calls before the timed ones.
        device: Device that did the work.
    """

    rates: tuple[float, ...]
    batch_size: int
    warm_up: int
    device: torch.device

    def measurement(self, conditions: Mapping[str, Any]) -> Measurement:
        """Return the median as a metric's figure, with half the interquartile range as its error."""
        lower, median, upper = statistics.quantiles(self.rates, n=4, method="inclusive")
        on_cpu = {"threads": torch.get_num_threads()} if self.device.type == "cpu" else {}
        return Measurement(
            value=median,
            unit="images/s",
            better="higher",
            error=(upper - lower) / 2,
            repeats=False,
            conditions={
                "batch_size": self.batch_size,
                "repetitions": len(self.rates),
                "warm_up": self.warm_up,
                "error": "half the interquartile range of the repetitions",
                "device": self.device.type,
                **on_cpu,
                **conditions,
            },
            details={"seconds_per_batch": self.batch_size / median},
        )


def measure_speed(
    act: Callable[[], object],
    batch_size: int,
    device: torch.device,
    repetitions: int,
    seconds: float,
    prepare: Callable[[int], object] = lambda turn: None,
) -> Speed:
    """Time a call again and again.

    Args:
        act: Works on one batch.
        batch_size: Images in the batch.
        device: Device that does the work; its queue is empty before and after each timed call.
        repetitions: Number of timed calls, at least :data:`FEWEST`.
        seconds: Time after which no further call begins, once :data:`FEWEST` are timed.
        prepare: Called before each call with its number, from 0; its time does not count. It gives each call
            other numbers to work on, since what has been computed before may be remembered.
    """
    began = time.perf_counter()
    warm_up = 0
    while warm_up == 0 or (warm_up < WARM_UP and time.perf_counter() - began < WARM_UP_PART * seconds):
        prepare(warm_up)
        _time(act, device)
        warm_up += 1
    taken: list[float] = []
    while len(taken) < max(repetitions, FEWEST):
        if len(taken) >= FEWEST and time.perf_counter() - began > seconds:
            break
        prepare(warm_up + len(taken))
        taken.append(_time(act, device))
    return Speed(tuple(batch_size / each for each in taken), batch_size, warm_up, device)


def synchronise(device: torch.device) -> None:
    """Wait until a device has done all its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _time(act: Callable[[], object], device: torch.device) -> float:
    synchronise(device)
    began = time.perf_counter()
    act()
    synchronise(device)
    # A clock that has not moved would make the speed infinite.
    return max(time.perf_counter() - began, math.ulp(1.0))
