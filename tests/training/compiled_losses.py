"""Compiles the losses of training and prints, as JSON, how they differ from the losses that are not compiled.

A process of its own: the run-time type checks of the tests' process cost ten times as long to compile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.exc import BackendCompilerFailed
from torch._dynamo.utils import counters

import flowzoo
from flowzoo.call import Call, Ledger
from flowzoo.data.load import load_dataset
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.solving import Solving
from flowzoo.training.compiled_loss import CompiledLoss
from flowzoo.training.stage import Stage, plan_stages

IMAGES = load_dataset("digits")["train"].take(range(8))
LABELS = torch.arange(8)
COUPLINGS = {"hidden": 4}
STEP = {"steps": 1, "network": COUPLINGS}
Backend = str | Callable[..., object]
TRACES = "aot_eager"
"""Traces the gradient too, without a compiler behind it, which would take minutes."""

BROKEN = "glow without gradients"
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "glow": ("float32", {"levels": 2, "joint": STEP, "last": STEP}),
    "glow in bfloat16": ("bfloat16", {"levels": 1, "last": STEP}),
    "glow with classes": ("float32", {"levels": 1, "last": STEP, "classes": 10}),
    "realnvp": ("float32", {"levels": 1, "last": {"channel": 1, "checkerboard": 1}}),
    "wavelet-flow": ("float32", {"levels": 2, "bijector": STEP}),
    "mrcnf": (
        "float32",
        {"levels": 2, "bijector": {"blocks": 2, "network": {"name": "conv-field", "hidden": 4}}},
    ),
    "rnode": ("float32", {"bijector": {"network": {"name": "conv-field", "hidden": 4}}}),
}


def main() -> None:
    """Compile, compare, print."""
    torch.set_num_threads(1)
    found = {case: of(case.split()[0], *asked) for case, asked in CASES.items()}
    found[BROKEN] = of("glow", *CASES["glow"], backend=without_gradients)
    json.dump(found, sys.stdout)


def without_gradients(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
    """Compile losses, and fail at the gradient: a backend of torch.compile."""

    def fail(*_: object) -> NoReturn:
        raise BackendCompilerFailed(fail, RuntimeError("no gradients here"), None)

    backend = aot_autograd(fw_compiler=lambda graph, inputs: graph.forward, bw_compiler=fail)
    return backend(graph, inputs)


def of(
    name: str, precision: str, model: dict[str, object], backend: Backend = TRACES
) -> dict[str, dict[str, object]]:
    """Return what is found of each stage of a model."""
    options = TrainingOptions.model_validate({"precision": precision, "compile": True})
    flow = flowzoo.create_model(name, (1, 8, 8), seed=0, bins=17, **model)  # type: ignore[arg-type]
    flow.initialise([IMAGES / 17])
    names = list(flow.state_dict())
    found = {stage.name: compared(flow, stage, options, backend) for stage in plan_stages(flow, options)}
    assert list(flow.state_dict()) == names
    return found


def compared(
    flow: flowzoo.Flow, stage: Stage, options: TrainingOptions, backend: Backend
) -> dict[str, object]:
    """Return how losses and gradients of two batches differ at most, and what was compiled."""
    torch._dynamo.reset()
    counters.clear()
    notes: list[str] = []
    compiled = CompiledLoss(flow, stage, options, notes.append, backend)
    uncompiled = CompiledLoss(flow, stage, options, notes.append, backend)
    uncompiled._function = None
    results = [
        [batch(flow, stage, loss, generator) for _ in range(2)]
        for loss in (compiled, uncompiled)
        for generator in [torch.Generator().manual_seed(0)]
    ]
    apart = [difference(*pair) for found in zip(*results, strict=True) for pair in zip(*found, strict=True)]
    return {
        "difference": max(apart),
        "graphs": counters["stats"]["unique_graphs"],
        "breaks": sum(counters["graph_break"].values()),
        "notes": notes,
    }


def batch(flow: flowzoo.Flow, stage: Stage, loss: CompiledLoss, generator: torch.Generator) -> list[Tensor]:
    """Return the loss of a batch and its gradients."""
    flow.zero_grad()
    solver = Solving(phase=stage.phase.name)
    call = Call(mode="train", generator=generator, ledger=Ledger(), solver=solver, labels=LABELS)
    value = loss.add_gradient(IMAGES, call, 0.5)
    return [value.detach(), *(each.grad for each in flow.parameters() if each.grad is not None)]


def difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a share of the values' size."""
    return float((found - expected).abs().max() / (1e-3 + expected.abs().max()))


if __name__ == "__main__":
    main()
