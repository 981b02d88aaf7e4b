"""The stages of a draw, in models whose levels keep images and in others."""

from __future__ import annotations

import pytest
import torch

from flowzoo.builtin.affine import Affine
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.latents.reconstruction import reconstruct
from flowzoo.latents.unfolding import keeps_images, unfold
from flowzoo.level import Level
from flowzoo.scaling import downscale, project
from tests.test_scaling import LOGIT, SHAPE, cascade, images, last_level, same
from tests.toys import Wave


def mixing() -> Flow:
    """Return a model whose joint changes the pixels before they are split."""
    half = Level(Squeeze(), Wave(conditional=False), KeepFirstChannels(2), Wave())
    return Flow(SHAPE, [half, last_level()], Affine()).double()


def test_the_stages_of_a_cascade_are_its_smaller_images() -> None:
    for flow in (cascade(), cascade(LOGIT)):
        assert keeps_images(flow)
        stages = unfold(flow, 3, temperature=0.3, seed=5)
        assert [tuple(stage.shape) for stage in stages] == [(3, 2, 2, 2), (3, 2, 4, 4), (3, 2, 8, 8)]
        same(stages[-1], flow.sample(3, temperature=0.3, seed=5))
        for steps in (1, 2):
            same(stages[-1 - steps], downscale(flow, stages[-1], steps))


def test_other_models_show_zero_noise_where_nothing_is_drawn_yet() -> None:
    flow = mixing()
    assert not keeps_images(flow)
    first, last = unfold(flow, 3, temperature=0.05, seed=5)
    same(last, flow.sample(3, temperature=0.05, seed=5))
    moved = [torch.zeros_like(z) if place == 0 else z for place, z in enumerate(_latents(flow))]
    same(first, flow.decode(moved))


def _latents(flow: Flow) -> list[torch.Tensor]:
    from flowzoo.call import Call, per_image_generators

    return flow.draw_latents(3, 0.05, Call(generator=per_image_generators(5, range(3))))


def test_batches_change_nothing() -> None:
    for flow in (cascade(), mixing()):
        for whole, parts in zip(unfold(flow, 3, seed=1), unfold(flow, 3, seed=1, batch_size=2), strict=True):
            same(parts, whole)


def test_a_model_that_mixes_pixels_is_projected_too() -> None:
    flow, x = mixing(), images()
    once = project(flow, x, 1)
    assert float((once - x).abs().max()) > 0.1
    same(project(flow, once, 1), once)
    same(once, reconstruct(flow, x, [1], temperature=0.0)[:, 0])
    same(project(flow, x, 1, batch_size=2), once)


def test_a_model_with_one_level_has_no_stages() -> None:
    with pytest.raises(OptionError, match="one level"):
        unfold(Flow(SHAPE, [last_level()], Affine()), 2)
    with pytest.raises(OptionError, match="temperature"):
        unfold(cascade(), 2, temperature=-1.0)
