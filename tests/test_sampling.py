"""The first images of a seed are the same however many are drawn, in every family and in any batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo import scaling
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.stack import Stack
from flowzoo.builtin.whiten import Whiten
from flowzoo.calibration import PILOT_DRAWS, in_batches
from flowzoo.component import Component
from flowzoo.errors import FlowzooError, OptionError
from flowzoo.flow import Flow
from flowzoo.pictures import Grid, save_grid
from flowzoo.registry.loader import default_registry
from flowzoo.testing import trial_of
from flowzoo.testing.models import Model
from tests.test_flow import cascade

MODELS = default_registry().components("model")
ROUNDING = {"rtol": 0.0, "atol": 1e-10}


def ready(component: Component) -> Flow:
    return Model.ready(trial_of("model", component.name)).module


@pytest.mark.parametrize("component", MODELS, ids=lambda each: each.name)
def test_the_first_images_do_not_depend_on_how_many_follow(component: Component) -> None:
    flow = ready(component)
    count = PILOT_DRAWS + 3
    drawn = flow.sample(count, seed=3)
    assert not torch.equal(drawn, flow.sample(count, seed=4))
    for fewer, batch_size in ((1, None), (PILOT_DRAWS + 1, 3)):
        found = flow.sample(fewer, seed=3, batch_size=batch_size)
        torch.testing.assert_close(found, drawn[:fewer], **ROUNDING)


@pytest.mark.parametrize("component", MODELS, ids=lambda each: each.name)
def test_nor_do_upscaled_images(component: Component) -> None:
    flow = ready(component)
    try:
        shape = scaling.coarse_shape(flow, 1)
    except OptionError:
        assert len(flow.levels) == 1 or component.name in {"glow", "realnvp", "lcma"}
        return
    coarse = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = scaling.upscale(flow, coarse, 1, seed=3)
    for fewer, batch_size in ((1, None), (3, None), (5, 2)):
        found = scaling.upscale(flow, coarse[:fewer], 1, seed=3, batch_size=batch_size)
        torch.testing.assert_close(found, drawn[:fewer], **ROUNDING)
    if not flow.calibrates:
        later = scaling.upscale(flow, coarse[2:3], 1, seed=3, first=2)
        torch.testing.assert_close(later, drawn[2:3], **ROUNDING)


def test_solvers_that_choose_their_steps_settle_them_on_the_first_images() -> None:
    adaptive = {"evaluation_solver": "dopri5", "evaluation_tolerance": 1e-4, "evaluation_steps": None}
    trial = trial_of(
        "model", "ffjord", bijector={**adaptive, "blocks": 1, "network": {"name": "conv-field", "hidden": 4}}
    )
    flow = Model.ready(trial).module
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.mul_(4.0)  # or one step would do

    def differences() -> list[float]:
        firsts = [(flow.sample(1, seed=seed), flow.sample(9, seed=seed)[:1]) for seed in range(2)]
        return [float((alone - beside).abs().max()) for alone, beside in firsts]

    assert max(differences()) < 1e-10
    for module in flow.levels.modules():
        if isinstance(module, ConditionalBijector) and not isinstance(module, Whiten | Stack):
            module.traits = replace(module.traits, calibrates=False)
    assert not flow.calibrates
    assert max(differences()) > 1e-7


def test_batches_come_one_by_one_and_hold_no_more_than_asked_for() -> None:
    flow, decoded = cascade(), list[int]()
    decode = flow.decode

    def watched(latents: list[torch.Tensor], call: object) -> torch.Tensor:
        decoded.append(len(latents[0]))
        return decode(latents, call)  # type: ignore[arg-type]

    flow.decode = watched  # type: ignore[assignment,method-assign]
    batches = flow.sample_batches(7, seed=0, batch_size=3)
    assert decoded == []
    assert len(next(batches)) == 3
    assert decoded == [3]
    assert [len(each) for each in batches] == [3, 1]
    for wrong in (0, -1):
        with pytest.raises(FlowzooError, match="batch_size"):
            flow.sample(2, batch_size=wrong)


def test_the_pilot_is_met_by_all_others() -> None:
    calls: list[tuple[list[int], object]] = []
    module = torch.nn.Identity()

    def compute(places: range, memory: object) -> torch.Tensor:
        found = memory.recall(module, "steps")  # type: ignore[attr-defined]
        memory.keep(module, "steps", len(places))  # type: ignore[attr-defined]
        calls.append((list(places), found))
        return torch.tensor(list(places))

    found = torch.cat(list(in_batches(module, 5, 2, 2, compute)))
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert calls == [([0, 1], None), ([2, 3], 2), ([4], 2)]
    calls.clear()
    assert torch.cat(list(in_batches(module, 1, 2, 3, compute))).tolist() == [0]
    assert calls == [([0, 1, 2], None)]
    calls.clear()
    list(in_batches(module, 3, 2, 0, compute))
    assert calls == [([0, 1], None), ([2], None)]


def test_a_grid_filled_in_batches_is_that_of_all_images(tmp_path: Path) -> None:
    images = torch.rand(7, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    folder = tmp_path
    save_grid(images, folder / "whole.png", bins=256, columns=3)
    grid = Grid(7, (3, 5, 4), 256, columns=3)
    grid.place(images[4:], range(4, 7))
    grid.place(images[:4], range(4))
    grid.save(folder / "parts.png")
    whole, parts = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("whole", "parts"))
    np.testing.assert_array_equal(whole, parts)
