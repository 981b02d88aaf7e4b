"""How much memory a step of training takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from pydantic import Field

from flowzoo.bench.metrics.resident_memory import measure_growth
from flowzoo.bench.metrics.training_steps import TrainingSteps, last_stage, nothing_trains
from flowzoo.metric import Measurement, Metric, Trained

MIB = 2**20

STEPS = 3
"""The first makes the gradients and the optimiser's state; a solver's needs may grow after it."""

EMPTY = Measurement(None, unit="MiB", better="lower", repeats=False)


@dataclass(frozen=True)
class PeakMemory(Metric):
    """Peak memory of training steps, with gradients, optimiser and averaged weights, in MiB.

    On CUDA it is all that tensors hold at the peak, the model and whatever else the process keeps there
    included. On the CPU it is resident memory of the process above what it held with the model loaded: steps
    are taken once before, so that libraries are loaded, and freed memory is given back to the system, so that
    it makes little difference what was measured before. Pages and the allocator's rounding leave it uncertain
    by some MiB: figures below ten or so say no more than that little is needed. The two kinds of figures are
    not to be compared with each other.

    Attributes:
        batch_size: Images a step; None for the training's.
    """

    batch_size: int | None

    def measure(self, trained: Trained) -> Measurement:
        stage = last_stage(trained)
        if stage is None:
            return nothing_trains(EMPTY.unit, EMPTY.better)

        def train() -> TrainingSteps:
            trained.flow.zero_grad(set_to_none=True)
            steps = TrainingSteps(trained, stage, self.batch_size)
            for _ in range(STEPS):
                steps.take()
            return steps

        steps = train()
        about = {"batch_size": steps.batch_size, "steps": STEPS, **steps.conditions}
        # Nothing of the steps that warmed up may stay, or the measured ones would not need it again.
        del steps
        trained.flow.zero_grad(set_to_none=True)
        found = _measure(train, trained.flow.device)
        return replace(found, conditions={**about, **found.conditions})


def build_peak_memory(
    *,
    batch_size: Annotated[int | None, Field(ge=1, description="images a step; None: the training's")] = None,
) -> PeakMemory:
    """Build the metric."""
    return PeakMemory(batch_size)


def _measure(train: Callable[[], object], device: torch.device) -> Measurement:
    if device.type == "cuda":
        return _on_cuda(train, device)
    if device.type == "mps":
        return _on_mps(train)
    return _on_cpu(train)


def _on_cuda(train: Callable[[], object], device: torch.device) -> Measurement:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    train()
    torch.cuda.synchronize(device)
    return replace(
        EMPTY,
        value=torch.cuda.max_memory_allocated(device) / MIB,
        conditions={"device": "cuda", "counts": "all tensors on the device, the model included"},
        details={"before": before / MIB},
    )


def _on_mps(train: Callable[[], object]) -> Measurement:
    torch.mps.synchronize()
    torch.mps.empty_cache()
    before = torch.mps.driver_allocated_memory()
    train()
    torch.mps.synchronize()
    return replace(
        EMPTY,
        # There is no peak to ask for, but the driver gives nothing back until the cache is emptied.
        value=torch.mps.driver_allocated_memory() / MIB,
        conditions={"device": "mps", "counts": "what the driver holds after the steps, the model included"},
        details={"before": before / MIB},
    )


def _on_cpu(train: Callable[[], object]) -> Measurement:
    found = measure_growth(train)
    lower = () if found.whole else ("a lower bound: this system does not forget the process's earlier peak",)
    return replace(
        EMPTY,
        value=found.peak / MIB,
        valid=found.whole,
        objections=lower,
        conditions={
            "device": "cpu",
            "counts": "resident memory of the process above what it held with the model loaded",
            "threads": torch.get_num_threads(),
        },
        details={"before": found.before / MIB},
    )
