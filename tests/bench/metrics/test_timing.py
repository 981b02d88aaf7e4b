"""Timing, with a clock of the test's own."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np
import pytest
import torch

from flowzoo.bench.metrics import timing
from flowzoo.bench.metrics.timing import Speed, measure_speed

CPU = torch.device("cpu")


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Speed]:
    """Return a function that measures calls which take the given seconds, one after another."""

    def measured(taken: list[float], repetitions: int = 5, seconds: float = 1e9) -> Speed:
        clock, left = [0.0], iter(taken)
        monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

        def call() -> None:
            clock[0] += next(left)

        return measure_speed(call, 10, CPU, repetitions, seconds)

    return measured


def test_it_is_the_median_after_the_warm_up_with_half_the_interquartile_range(
    timed: Callable[..., Speed],
) -> None:
    taken = [0.5, 0.1, 0.2, 0.4, 0.25]
    speed = timed([100.0, 100.0, 100.0, *taken])
    rates = [10 / each for each in taken]
    lower, upper = np.percentile(rates, [25, 75])

    found = speed.measurement({"stage": "x"})

    assert speed.warm_up == 3
    assert found.value == pytest.approx(statistics.median(rates))
    assert found.error == pytest.approx((upper - lower) / 2)
    assert found.conditions["repetitions"] == 5
    assert found.conditions["stage"] == "x"
    assert not found.repeats


def test_slow_calls_are_warmed_up_once_and_timed_three_times(timed: Callable[..., Speed]) -> None:
    speed = timed([9.0] * 20, repetitions=10, seconds=10.0)

    assert (speed.warm_up, len(speed.rates)) == (1, 3)


def test_no_call_begins_after_the_time_is_up(timed: Callable[..., Speed]) -> None:
    speed = timed([1.0] * 30, repetitions=20, seconds=10.0)

    assert (speed.warm_up, len(speed.rates)) == (3, 8)


def test_a_device_s_queue_is_empty_before_and_after_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append(f"wait for {device}"))

    speed = measure_speed(lambda: events.append("call"), 10, torch.device("cuda:1"), 3, 1e9)

    assert events == ["wait for cuda:1", "call", "wait for cuda:1"] * 6
    assert speed.measurement({}).conditions["device"] == "cuda"
