"""Scores follow the pixels wherever transforms and splits move them."""

from __future__ import annotations

import pytest
import torch

from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import DataError, NotInitialisedError, NumericalError, OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.build import build_component
from flowzoo.scoring import fit_splits, gather_scores, levels_of_pixels, scored_levels
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.split import SplitPolicy
from flowzoo.traits import BijectorTraits
from flowzoo.transform import ResolutionTransform
from tests.toys import PixelScale, Wave

SHAPE = (1, 8, 8)


def last() -> Level:
    return Level(IdentityTransform(), IdentityBijector(), KeepNothing(), IdentityBijector())


def scaled(shape: Shape, seed: int) -> PixelScale:
    return PixelScale(torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double())


def lcma(shape: Shape) -> SplitPolicy:
    split: SplitPolicy = build_component("split", "lcma", shape)
    return split


def stand_in(shape: Shape) -> SplitPolicy:
    found = lcma(shape).unscored()
    assert found is not None
    return found


def images(count: int = 3) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(0)).double()


def test_scores_are_the_shares_of_all_joints_so_far_by_pixel() -> None:
    first, second = scaled(SHAPE, 1), scaled((4, 4, 4), 2)
    scoring = Flow(
        SHAPE,
        [
            Level(IdentityTransform(), first, stand_in(SHAPE), IdentityBijector()),
            Level(IdentityTransform(), second, stand_in((4, 4, 4)), IdentityBijector()),
            last(),
        ],
        Affine(),
    ).double()

    found = gather_scores(scoring, 2, iter([images(2), images(3)]), EVALUATION)

    by_place = first.log_scale[0]
    torch.testing.assert_close(found[0], by_place.flatten())
    # The second joint's image is squeezed: offset (i, j) of each block stands in channel 2 i + j.
    for row in range(8):
        for column in range(8):
            offset = 2 * (row % 2) + column % 2
            expected = by_place[row, column] + second.log_scale[offset, row // 2, column // 2]
            assert float(found[1].reshape(8, 8)[row, column]) == pytest.approx(float(expected))


def test_splits_are_fitted_to_the_scores_of_the_pixels_that_reach_them() -> None:
    kept = (2, 4, 4)
    flow = Flow(
        SHAPE,
        [
            Level(IdentityTransform(), Wave(False), lcma(SHAPE), IdentityBijector()),
            Level(IdentityTransform(), Wave(False), lcma(kept), IdentityBijector()),
            last(),
        ],
        Affine(),
    )
    generator = torch.Generator().manual_seed(3)
    scores = [torch.randn(64, generator=generator, dtype=torch.float64) for _ in range(2)]

    fit_splits(flow, scores)

    places = levels_of_pixels(flow).reshape(8, 8)
    first, second = scores[0].reshape(8, 8), scores[1].reshape(8, 8)
    for row in range(0, 8, 2):
        for column in range(0, 8, 2):
            block = places[row : row + 2, column : column + 2].flatten()
            lowest = first[row : row + 2, column : column + 2].flatten().argsort()[:2]
            assert sorted((block == 0).nonzero().flatten().tolist()) == sorted(lowest.tolist())
    # At the second level a channel holds one rank of each block; its blocks are four neighbouring blocks.
    for rank in range(2):
        for row in range(0, 4, 2):
            for column in range(0, 4, 2):
                values, levels = [], []
                for i, j in [(row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1)]:
                    block_scores = first[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].flatten()
                    place = int(block_scores.argsort(descending=True)[rank])
                    pixel = 2 * i + place // 2, 2 * j + place % 2
                    values.append(float(second[pixel]))
                    levels.append(int(places[pixel]))
                order = sorted(range(4), key=lambda each: -values[each])
                assert [levels[each] for each in order] == [2, 2, 1, 1]


def test_levels_of_pixels_follow_any_split_that_moves_them() -> None:
    squeezed = Level(Squeeze(), IdentityBijector(), KeepFirstChannels(4), IdentityBijector())

    places = levels_of_pixels(Flow(SHAPE, [squeezed, last()], Affine()))

    assert bool((places[0, 0, ::2, ::2] == 1).all())
    assert int(places.sum()) == 16


def test_mixing_transforms_leave_no_pixel_to_draw() -> None:
    haar = Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(4), IdentityBijector())

    with pytest.raises(OptionError, match="mixes pixels before its splits"):
        levels_of_pixels(Flow(SHAPE, [haar, last()], Affine()))


@pytest.mark.parametrize(
    ("transform", "joint", "reason"),
    [
        (BlockMean(0.5), Wave(False), "BlockMean mixes pixels before it"),
        (IdentityTransform(), IdentityBijector(), "no joint treats them differently"),
        (IdentityTransform(), Affine(2.0), "no joint treats them differently"),
    ],
)
def test_what_cannot_be_scored_is_refused(transform: ResolutionTransform, joint: Wave, reason: str) -> None:
    shape = transform.output_shape(SHAPE)

    with pytest.raises(OptionError, match=reason):
        Flow(SHAPE, [Level(transform, joint, lcma(shape), IdentityBijector()), last()], Affine())


def test_a_joint_that_cannot_tell_its_shares_is_refused() -> None:
    joint = Wave(False)
    joint.traits = BijectorTraits()

    with pytest.raises(OptionError, match="Wave"):
        Flow(SHAPE, [Level(IdentityTransform(), joint, lcma(SHAPE), IdentityBijector()), last()], Affine())


def test_unfitted_splits_and_missing_images_are_named() -> None:
    flow = Flow(SHAPE, [Level(IdentityTransform(), Wave(False), lcma(SHAPE), Wave()), last()], Affine())

    assert scored_levels(flow) == 1
    with pytest.raises(NotInitialisedError, match="scores pixels"):
        flow.log_prob(images().float())
    with pytest.raises(DataError, match="got no images"):
        gather_scores(flow, 1, [], Call())


class Repeats(Squeeze):
    """Declares to move values, and repeats one of them."""

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        y, log_det = super().forward(x, call)
        return torch.cat([y[:, :1], y[:, :-1]], dim=1), log_det


class Lossy(SplitPolicy):
    """A stand-in that keeps a quarter of what it should keep."""

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        return Squeeze()(y)[0][:, :1], y[:, :0]

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        raise NotImplementedError

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        return (1, shape[1] // 2, shape[2] // 2), (0, shape[1] // 2, shape[2] // 2)


class Short(PixelScale):
    """Returns contributions of another shape than its image's."""

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return x, contributions[:, :, :1]


@pytest.mark.parametrize(
    ("transform", "joint", "split", "reason"),
    [
        (Repeats(), scaled((4, 4, 4), 0), stand_in((4, 4, 4)), "Repeats declares"),
        (
            IdentityTransform(),
            Short(torch.zeros(SHAPE)),
            stand_in(SHAPE),
            "Short returned contributions of shape",
        ),
        (IdentityTransform(), scaled(SHAPE, 0), Lossy(), "Lossy loses values"),
    ],
)
def test_a_component_that_breaks_its_word_is_named(
    transform: ResolutionTransform, joint: PixelScale, split: SplitPolicy, reason: str
) -> None:
    scoring = Flow(SHAPE, [Level(transform, joint, split, IdentityBijector()), last()], Affine()).double()

    with pytest.raises(ShapeError, match=reason):
        gather_scores(scoring, 2, [images()], EVALUATION)


def test_pixels_without_a_finite_score_are_named() -> None:
    flow = Flow(SHAPE, [Level(IdentityTransform(), Wave(False), lcma(SHAPE), Wave()), last()], Affine())

    with pytest.raises(NumericalError, match="that reach level 0 have no finite score"):
        fit_splits(flow, [torch.full((64,), torch.nan, dtype=torch.float64)])


def test_pixels_that_were_mixed_before_the_levels_are_refused() -> None:
    level = Level(IdentityTransform(), Wave(False), lcma(SHAPE), IdentityBijector())

    with pytest.raises(OptionError, match="Gaussian mixes pixels before it"):
        Flow(SHAPE, [level, last()], Gaussian(SHAPE))
