"""Compiles every registered model and prints, as JSON, how far from the model the compiled one computes.

A process of its own: the run-time type checks of the tests' process cost ten times as long to compile.
"""

from __future__ import annotations

import copy
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from flowzoo.call import Call
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.saving import load_model, save_model
from flowzoo.testing import trial_of
from flowzoo.testing.models import Model

IN_EVERY_WAY = ["glow", "ffjord"]
"""A coupling flow, which is compiled, and a continuous one, whose solves are left as they are."""

_GATED = {"coupling": "mixture-cdf", "logistics": 2, "network": {"name": "gated-resnet", "hidden": 4}}
BY_OPTION: dict[str, tuple[str, dict[str, dict[str, object]]]] = {
    "glow, mixture-cdf": ("glow", {"joint": _GATED, "last": _GATED}),
}
"""Models with parts that none has by default, and the options of these parts."""

Compiled = Callable[..., Tensor]


def main() -> None:
    """Compile, compare, print."""
    torch.set_num_threads(1)
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
    found: dict[str, dict[str, float]] = {}
    seen: set[str] = set()
    names = {each.name: (each.name, {}) for each in default_registry().components("model")}
    for label, (name, exchanged) in {**names, **BY_OPTION}.items():
        trial = trial_of("model", name)
        declared = trial.check.options
        fewer = {"levels": 2} if "levels" in declared else {}
        others = {part: {**declared[part], **options} for part, options in exchanged.items()}
        trial = trial.with_check(options={**declared, **fewer, **others})
        flow = Model.ready(trial).module.float()
        x = torch.rand(4, *trial.check.shape, generator=torch.Generator().manual_seed(0))
        assert flow.recipe is not None
        parts = {key for key in flow.recipe.revisions if key.startswith(("bijector:", "network:"))}
        torch._dynamo.reset()
        with torch.no_grad():
            found[label] = {"log_prob": apart(compiled(flow.log_prob)(x), flow.log_prob(x))}
            if parts - seen:  # else all that is more than rearranging has been compiled backwards before
                latents = flow.encode(x)
                found[label]["decode"] = apart(compiled(flow.decode)(latents), flow.decode(latents))
        seen |= parts
        if label in IN_EVERY_WAY:
            found[label] |= in_every_way(flow, x)
    print(json.dumps(found))


def in_every_way(flow: Flow, x: Tensor) -> dict[str, float]:
    """Return the differences of whole models and of parts in their places, saved models among them."""
    expected = flow.log_prob(x).detach()
    model, loss = compiled(flow), compiled(flow.loss)
    found = {"loss": max(map(apart, loss(x, training()), flow.loss(x, training())))}
    for images in (x, x[:3]):
        found[f"model of {len(images)} images"] = apart(model(images), flow(images))
    ours = torch.autograd.grad(flow(x).sum(), list(flow.parameters()))
    found["gradients"] = max(map(apart, torch.autograd.grad(model(x).sum(), list(flow.parameters())), ours))
    found["saved whole model"] = apart(saved_and_loaded(model).log_prob(x), expected)

    in_place = copy.deepcopy(flow)
    in_place.compile(backend="eager")
    found["model.compile()"] = apart(in_place(x), expected)

    separable = flow.separable
    for level in flow.levels:
        level.conditional = compiled(level.conditional)
    flow.levels[0] = compiled(flow.levels[0])
    assert flow.separable == separable
    found["compiled parts"] = apart(flow(x), expected)
    found["compiled parts, loss"] = max(map(apart, flow.loss(x, training()), in_place.loss(x, training())))
    found["compiled parts, decode"] = apart(flow.decode(flow.encode(x)), in_place.decode(flow.encode(x)))
    found["saved compiled parts"] = apart(saved_and_loaded(flow).log_prob(x), expected)
    return found


def saved_and_loaded(flow: Flow) -> Flow:
    """Save a model and load it again."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(flow, Path(folder) / "model")
        return load_model(Path(folder) / "model")


def compiled(function: Compiled) -> Compiled:
    """Trace without a compiler behind it, which would take minutes and is torch's own business."""
    result: Compiled = torch.compile(function, backend="eager")
    return result


def training() -> Call:
    """Return a run of training whose draws repeat."""
    return Call(mode="train", generator=torch.Generator().manual_seed(0))


def apart(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, as a share of the values' size."""
    scale = 1.0 + expected.detach().abs().max()
    return float(((found - expected).detach().abs().max() / scale).nan_to_num(nan=float("inf")))


if __name__ == "__main__":
    main()
