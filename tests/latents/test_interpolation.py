"""Paths between images: where they begin and end, what moves along them, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.latents.interpolation import Path, interpolate
from flowzoo.level import Level
from flowzoo.registry.build import build_component
from tests.test_scaling import LOGIT, SHAPE, Draw, cascade, images, last_level, same
from tests.toys import Wave

BOTH = pytest.mark.parametrize("path", ["linear", "spherical"])


def ends() -> tuple[Tensor, Tensor]:
    """Return images in the middle of the interval, so that those between them can be encoded too."""
    return 0.3 + 0.4 * images(seed=1), 0.3 + 0.4 * images(seed=2)


def drawing() -> Flow:
    """Return a model that draws its coarse images."""
    levels = [Level(Draw(), IdentityBijector(), KeepFirstChannels(5), Wave()), last_level()]
    return Flow(SHAPE, levels, Affine()).double()


@BOTH
@pytest.mark.parametrize("flow", [cascade(), cascade(LOGIT), drawing()], ids=["affine", "logit", "draws"])
def test_a_path_begins_and_ends_at_the_given_images(flow: Flow, path: Path) -> None:
    start, end = images(seed=1), images(seed=2)
    found = interpolate(flow, start, end, 4, path=path)
    assert found.shape == (3, 4, *SHAPE)
    same(found[:, 0], start)
    same(found[:, -1], end)
    assert float((found[:, 1] - start).abs().max()) > 0.01


def test_on_a_straight_path_latents_move_in_equal_steps() -> None:
    flow, (start, end) = cascade(), ends()
    found = interpolate(flow, start, end, 5)
    for place, t in enumerate([0.0, 0.25, 0.5, 0.75, 1.0]):
        for z, a, b in zip(flow.encode(found[:, place]), flow.encode(start), flow.encode(end), strict=True):
            same(z, (1 - t) * a + t * b)


def test_on_an_arc_norm_and_angle_of_each_level_change_evenly() -> None:
    flow, (start, end) = cascade(), ends()
    found = interpolate(flow, start, end, 5, path="spherical")
    for place, t in enumerate([0.0, 0.25, 0.5, 0.75, 1.0]):
        latents = zip(flow.encode(found[:, place]), flow.encode(start), flow.encode(end), strict=True)
        for z, a, b in (tuple(each.flatten(1) for each in level) for level in latents):
            same(z.norm(dim=1), (1 - t) * a.norm(dim=1) + t * b.norm(dim=1))
            whole = torch.acos(torch.cosine_similarity(a, b))
            same(torch.acos(torch.cosine_similarity(z, a).clamp(max=1.0)), t * whole, atol=1e-6)
            same(torch.acos(torch.cosine_similarity(z, b).clamp(max=1.0)), (1 - t) * whole, atol=1e-6)


def test_between_opposite_or_equal_latents_an_arc_is_a_straight_line() -> None:
    whole = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), IdentityBijector())
    flow = Flow((1, 1, 2), [whole], Affine(shift=-0.5)).double()
    start = torch.tensor([0.25, 0.5], dtype=torch.float64).repeat(3, 1).reshape(3, 1, 1, 2)
    end = torch.stack([1 - start[0], start[1], torch.full_like(start[2], 0.5)])
    found = interpolate(flow, start, end, 3, path="spherical")
    same(found[:, 1].double(), (start + end) / 2, atol=1e-6)


@BOTH
def test_only_the_chosen_levels_move(path: Path) -> None:
    flow, (start, end) = cascade(), ends()
    found = interpolate(flow, start, end, 3, path=path, levels=[1])
    a, b = flow.encode(start), flow.encode(end)
    for place in range(3):
        z = flow.encode(found[:, place])
        same(z[0], a[0])
        same(z[2], a[2])
    same(flow.encode(found[:, -1])[1], b[1])
    none = interpolate(flow, start, end, 3, path=path, levels=[])
    same(none, start[:, None].expand(none.shape))


def test_neither_batches_nor_other_pairs_change_a_path() -> None:
    start, end = images(seed=1), images(seed=2)
    for flow in (cascade(), drawing()):
        whole = interpolate(flow, start, end, 3)
        same(interpolate(flow, start, end, 3, batch_size=2), whole)
    same(interpolate(cascade(), start[:1], end[:1], 3), interpolate(cascade(), start, end, 3)[:1])


def test_wrong_arguments_are_refused(as_users_run_it: None) -> None:
    flow, x = cascade(), images()
    for steps in (1, 2.0, None):
        with pytest.raises(OptionError, match="steps is"):
            interpolate(flow, x, x, steps)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"no path 'curved'.* linear, spherical"):
        interpolate(flow, x, x, path="curved")  # type: ignore[arg-type]
    for level in (3, -1, "0", 1.0):
        with pytest.raises(OptionError, match=r"no level .* 3 level\(s\), 0 .* to 2"):
            interpolate(flow, x, x, levels=[level])  # type: ignore[list-item]
    with pytest.raises(ShapeError, match=r"3 start\(s\) for 2 end\(s\)"):
        interpolate(flow, x, x[:2])
    with pytest.raises(ShapeError, match="expected images of shape"):
        interpolate(flow, x[..., :4], x[..., :4])
    with pytest.raises(DataError, match="no images"):
        interpolate(flow, x[:0], x[:0])


def test_a_level_that_factors_nothing_out_has_no_latents() -> None:
    keeps_all = build_component("split", "lcma", (8, 4, 4)).unscored()
    levels = [
        Level(Squeeze(), IdentityBijector(), keeps_all, IdentityBijector()),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Wave()),
    ]
    flow = Flow(SHAPE, levels, Affine()).double()
    with pytest.raises(OptionError, match="level 0 of this model has no latents"):
        interpolate(flow, images(), images(), levels=[0])
    same(interpolate(flow, images(), images(), 2)[:, 0], images())
