"""How far bijectors look: known radii, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowzoo.api import EVALUATION, BijectorTraits, Call, ConditionalBijector, Images, OptionError
from flowzoo.registry.build import build_component
from flowzoo_wavelet_flow.reach import Reach, measure_reach

SMALL = {"hidden": 4}


@pytest.mark.parametrize("steps", [1, 2, 3, 16])
def test_a_step_of_glow_looks_two_pixels_far(steps: int) -> None:
    glow = build_component("bijector", "glow", (3, 8, 8), (1, 8, 8), steps=steps, network=SMALL)
    assert measure_reach(glow, 3, 1) == Reach(2 * steps, 2)


@pytest.mark.parametrize("steps", [1, 2])
def test_on_a_squeezed_view_it_looks_four_pixels_far(steps: int) -> None:
    glow = build_component("bijector", "glow", (2, 8, 8), None, steps=steps, squeeze=True, network=SMALL)
    assert measure_reach(glow, 2, 0) == Reach(4 * steps, 2)


def test_realnvp_looks_as_far_as_its_couplings_together() -> None:
    """Two checkerboards of two 3x3 convolutions, then one such coupling on the squeezed view."""
    options = {"checkerboard": 2, "channel": 1, "network": {"hidden": 4, "blocks": 0}}
    realnvp = build_component("bijector", "realnvp", (1, 8, 8), None, **options)
    assert measure_reach(realnvp, 1, 0) == Reach(2 * 2 + 4, 2)


def test_what_works_pixel_by_pixel_looks_nowhere() -> None:
    assert measure_reach(build_component("bijector", "actnorm", (2, 4, 4), None), 2, 0) == Reach(0, 2)


def test_a_network_that_sees_nothing_feels_the_border_all_the_same() -> None:
    """A single channel has no half to be seen: the network is fed ones, which end at the border."""
    glow = build_component("bijector", "glow", (1, 8, 8), None, steps=3, network=SMALL)
    assert measure_reach(glow, 1, 0) == Reach(2, 2)


def test_a_length_is_rounded_up_to_the_step() -> None:
    assert [Reach(3, 4).aligned(length) for length in (0, 3, 4, 5)] == [0, 4, 4, 8]


class Toy(ConditionalBijector):
    """``z = x + f(c)``, volume preserving."""

    traits = BijectorTraits(has_contributions=True)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        assert context is not None
        return x + self.shift(context), x.new_zeros(len(x))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        assert context is not None
        return z - self.shift(context)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return self(x, context, call)[0], contributions

    def shift(self, context: Images) -> Images:
        raise NotImplementedError


class Dilated(Toy):
    """Looks 6 rows up and down and 3 columns to the left, with a weight of zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1, 3, 2))

    def shift(self, context: Images) -> Images:
        padded = nn.functional.pad(context, (3, 0, 6, 6))
        return nn.functional.conv2d(padded, self.weight, dilation=(6, 3))


class Pattern(Toy):
    """Adds another number to every row, over and over."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period

    def shift(self, context: Images) -> Images:
        return (torch.arange(context.shape[2]) % self.period)[:, None].to(context).expand(context.shape)


class Global(Toy):
    """Adds the mean of the whole context."""

    def shift(self, context: Images) -> Images:
        return context.mean((2, 3), keepdim=True)


def test_the_longest_of_all_directions_counts_even_through_weights_of_zero() -> None:
    assert measure_reach(Dilated(), 1, 1) == Reach(6, 2)


@pytest.mark.parametrize("period", [1, 2, 4, 8])
def test_the_step_is_the_period_of_what_is_done(period: int) -> None:
    assert measure_reach(Pattern(period), 1, 1) == Reach(0, max(2, period))


def test_a_period_that_no_step_fits_is_refused() -> None:
    with pytest.raises(OptionError, match="Pattern does not treat all places of an image alike"):
        measure_reach(Pattern(3), 1, 1)


def test_what_looks_at_the_whole_image_is_refused() -> None:
    with pytest.raises(OptionError, match="Global looks at the whole image"):
        measure_reach(Global(), 1, 1)
