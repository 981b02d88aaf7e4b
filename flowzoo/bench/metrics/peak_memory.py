"""Measures the memory that a training step needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from flowzoo.bench.metrics.resident_memory import measure_growth
from flowzoo.bench.metrics.training_steps import StepSize, TrainingSteps, last_steps, nothing_trains
from flowzoo.metric import Measurement, Metric, Trained

MIB = 2**20

STEPS = 3
"""Number of steps. The first makes gradients and the optimiser's state; a solver may need more later."""


@dataclass(frozen=True, kw_only=True)
class PeakMemory(Metric):
    """Peak memory of training steps, with gradients, optimiser and averaged weights, in MiB.

    On CUDA it is all that tensors hold at the peak, the model and whatever else the process keeps there
    included. On the CPU it is resident memory of the process above what it held with the model loaded: steps
    are taken once before, so that libraries are loaded, and freed memory is given back to the system, so that
    it makes little difference what was measured before. Pages and the allocator's rounding leave it uncertain
    by some MiB: figures below ten or so say no more than that little is needed. The two kinds of figures are
    not to be compared with each other.
    """

    batch_size: StepSize = None

    def measure(self, trained: Trained) -> Measurement:
        def train() -> TrainingSteps | None:
            trained.flow.zero_grad(set_to_none=True)
            steps = last_steps(trained, self.batch_size)
            if steps is not None:
                for _ in range(STEPS):
                    steps.take()
            return steps

        steps = train()
        if steps is None:
            return nothing_trains("MiB", "lower")
        about = {"batch_size": steps.batch_size, "steps": STEPS, **steps.conditions}
        # Memory of the warm-up steps must be freed, or the measured steps would not need it again.
        del steps
        trained.flow.zero_grad(set_to_none=True)
        found = _measure(train, trained.flow.device)
        return replace(found, conditions={**about, **found.conditions})


def _measure(train: Callable[[], object], device: torch.device) -> Measurement:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        train()
        torch.cuda.synchronize(device)
        counts = "all tensors on the device, the model included"
        return _found(device, before, torch.cuda.max_memory_allocated(device), counts)
    if device.type == "mps":
        torch.mps.synchronize()
        torch.mps.empty_cache()
        before = torch.mps.driver_allocated_memory()
        train()
        torch.mps.synchronize()
        # There is no peak to read, but the driver frees nothing until the cache is emptied.
        counts = "what the driver holds after the steps, the model included"
        return _found(device, before, torch.mps.driver_allocated_memory(), counts)
    growth = measure_growth(train)
    counts = "resident memory of the process above what it held with the model loaded"
    found = _found(device, growth.before, growth.peak, counts, threads=torch.get_num_threads())
    if growth.whole:
        return found
    lower = "a lower bound, since this system cannot reset the process's earlier peak"
    return found.objected(lower)


def _found(device: torch.device, before: int, peak: int, counts: str, **more: int) -> Measurement:
    """Return the measurement; ``before`` and ``peak`` are in bytes."""
    return Measurement(
        peak / MIB,
        unit="MiB",
        better="lower",
        repeats=False,
        conditions={"device": device.type, "counts": counts, **more},
        details={"before": before / MIB},
    )
