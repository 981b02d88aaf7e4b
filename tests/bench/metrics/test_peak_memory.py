from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flowzoo.bench.metrics import resident_memory
from flowzoo.bench.metrics.peak_memory import _measure
from flowzoo.bench.metrics.resident_memory import measure_growth
from flowzoo.flow import Flow
from flowzoo.registry.build import build_component
from flowzoo.testing.metrics import tiny_trained

MIB = 2**20


def hold(mib: int) -> None:
    torch.ones(mib * MIB // 4)


def test_growth_is_what_a_call_held_at_once() -> None:
    def call() -> None:
        hold(200)
        hold(100)

    assert measure_growth(call).peak / MIB == pytest.approx(200, abs=8)


def test_what_was_freed_before_makes_no_difference() -> None:
    small = [torch.ones(4096) for _ in range(10_000)]  # 160 MiB of blocks that the allocator keeps
    keep = small[::1000]
    del small

    assert measure_growth(lambda: [torch.ones(4096) for _ in range(5000)]).peak / MIB == pytest.approx(
        80, abs=8
    )
    assert len(keep) == 10


def test_where_the_peak_stays_growth_is_a_lower_bound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resident_memory, "_CLEAR", tmp_path)
    monkeypatch.setattr(resident_memory, "_STATUS", tmp_path / "none")

    found = measure_growth(lambda: hold(1))

    assert not found.whole
    assert 0 <= found.peak < 200 * MIB
    measured = build_component("metric", "peak-memory").measure(tiny_trained((1, 8, 8)))
    assert not measured.valid
    assert measured.objections[0].startswith("a lower bound")


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., float]:
    """Return a function that measures a tiny model whose loss calls ``also`` on the flow, in MiB."""
    losses = Flow._losses

    def measured(also: Callable[[Flow], torch.Tensor], prepare: Callable[[Flow], object] = id) -> float:
        trained = tiny_trained((1, 8, 8))
        prepare(trained.flow)
        monkeypatch.setattr(
            Flow, "_losses", lambda flow, y, call: [*losses(flow, y, call), 0 * also(flow).expand(len(y))]
        )
        found = build_component("metric", "peak-memory").measure(trained)
        assert found.valid
        assert found.conditions["batch_size"] == 8
        return float(found.value)

    return measured


def test_activations_count(needs: Callable[..., float]) -> None:
    plain = needs(lambda flow: torch.zeros(()))
    # 32 MiB and its square; their gradients need up to four times as much for a moment.
    found = needs(lambda flow: torch.ones(8 * MIB, requires_grad=True).square().sum())

    assert 2 * 32 - 8 <= found - plain <= 6 * 32
    assert plain < 16


def test_gradients_optimiser_and_average_count(needs: Callable[..., float]) -> None:
    def extend(flow: Flow) -> None:
        flow.level(0).extra = nn.Parameter(torch.zeros(4 * MIB))

    # 16 MiB of parameters: as much again as gradient and as average, and twice as much in Adam.
    found = needs(lambda flow: flow.level(0).extra.sum(), prepare=extend)

    assert 4 * 16 - 4 <= found <= 6 * 16 + 1  # a page or two of anything else


def test_on_cuda_it_is_the_peak_of_the_allocator_since_just_before(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append("wait"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3 * MIB)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: events.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 50 * MIB)

    found = _measure(lambda: events.append("train"), torch.device("cuda"))

    assert events == ["wait", "reset", "train", "wait"]
    assert (found.value, found.details) == (50.0, {"before": 3.0})
    assert "the model included" in found.conditions["counts"]


def test_what_does_not_train_takes_none(measure: Any) -> None:
    found = measure("peak-memory", "gaussian")

    assert found.value is None
    assert not found.valid
    assert replace(found, objections=()).unit == "MiB"
