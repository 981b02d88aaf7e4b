"""Levels that are kept, and levels that are drawn."""

from __future__ import annotations

import pytest
import torch

from flowzoo.errors import DataError, OptionError
from flowzoo.flow import Flow
from flowzoo.latents.reconstruction import reconstruct
from flowzoo.scaling import project
from flowzoo.shapes import Images
from tests.latents.test_interpolation import drawing
from tests.test_scaling import LOGIT, SHAPE, cascade, images, same


def test_with_all_levels_kept_it_is_the_image() -> None:
    for flow in (cascade(), cascade(LOGIT), drawing()):
        found = reconstruct(flow, images(), range(len(flow.levels)), seed=0, draws=2)
        assert found.shape == (3, 2, *SHAPE)
        same(found, images()[:, None].expand(found.shape))


def test_with_no_level_kept_it_is_a_sample_of_that_seed() -> None:
    flow = cascade()
    for temperature in (0.7, [0.1, 0.5, 0.9]):
        found = reconstruct(flow, images(), [], temperature, seed=5, draws=2)
        same(found[:, 0], flow.sample(3, temperature, seed=5))
        assert not torch.equal(found[:, 0], found[:, 1])


def test_kept_latents_stay_and_the_others_are_the_seed_s() -> None:
    flow, x = cascade(), 0.3 + 0.4 * images()
    found = reconstruct(flow, x, [2], temperature=0.02, seed=5)[:, 0]
    before, after, drawn = (latents(flow, each) for each in (x, found, flow.sample(3, 0.02, seed=5)))
    same(after[2], before[2])
    same(after[1], drawn[1])
    same(after[0], drawn[0])


def latents(flow: Flow, x: Images) -> list[Images]:
    """Return the latents of images that may lie outside the unit interval."""
    y, found = x, []
    for place in range(len(flow.levels)):
        kept, z, _ = flow.level(place)(y)
        found.append(z)
        y = y if kept is None else kept
    return found


def test_without_noise_it_is_the_projection() -> None:
    for flow in (cascade(), cascade(LOGIT)):
        for steps in (1, 2):
            cold = reconstruct(flow, images(), range(steps, 3), temperature=0.0)[:, 0]
            same(cold, project(flow, images(), steps))


def test_neither_batches_nor_more_images_nor_more_draws_change_a_draw() -> None:
    for flow in (cascade(), drawing()):
        found = reconstruct(flow, images(), [1], 0.5, seed=3, draws=3)
        same(reconstruct(flow, images(), [1], 0.5, seed=3, draws=3, batch_size=2), found)
        same(reconstruct(flow, images()[:2], [1], 0.5, seed=3, draws=2), found[:2, :2])
        assert not torch.equal(reconstruct(flow, images(), [1], 0.5, seed=4)[:, 0], found[:, 0])


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    assert not torch.equal(reconstruct(cascade(), images(), [1]), reconstruct(cascade(), images(), [1]))
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_arguments_are_refused() -> None:
    flow = cascade()
    with pytest.raises(OptionError, match="no level 7"):
        reconstruct(flow, images(), [7])
    for temperature in (-1.0, [1.0, 1.0]):
        with pytest.raises(OptionError, match="temperature"):
            reconstruct(flow, images(), [0], temperature)
    with pytest.raises(OptionError, match="draws"):
        reconstruct(flow, images(), [0], draws=0)
    with pytest.raises(OptionError, match="the seed is -1"):
        reconstruct(flow, images(), [0], seed=-1)
    with pytest.raises(DataError, match="no images"):
        reconstruct(flow, images()[:0], [0])
