"""Up- and down-scaling: the identities, in pixel space and under a logit, and what is refused."""

from __future__ import annotations

from typing import final

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.logit import Logit
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.call import EVALUATION, Call, per_image_generators
from flowzoo.errors import DataError, NumericalError, OptionError, ShapeError
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.scaling import coarse_shape, downscale, project, upscale
from flowzoo.shapes import Images, Shape
from flowzoo.testing import randomise
from flowzoo.traits import TransformTraits
from flowzoo.transform import ResolutionTransform
from tests.toys import Wave

SHAPE = (2, 8, 8)
LOGIT = Logit(0.05)
PIXELS = pytest.mark.parametrize("pixels", [Affine(), LOGIT], ids=["affine", "logit"])


def detail_level(
    conditional: ConditionalBijector | None = None, joint: ConditionalBijector | None = None
) -> Level:
    return Level(BlockMean(0.5), joint or IdentityBijector(), KeepFirstChannels(), conditional or Wave())


def last_level() -> Level:
    return Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Wave())


def cascade(pixels: ConditionalBijector | None = None) -> Flow:
    """Return a nonlinear cascade of 8x8, 4x4 and 2x2 whose details depend on the coarse image."""
    flow = Flow(SHAPE, [detail_level(), detail_level(), last_level()], pixels or Affine()).double()
    randomise(flow, seed=0)
    return flow


def images(shape: Shape = SHAPE, count: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def same(found: Tensor, expected: Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(("steps", "shape"), [(0, (2, 8, 8)), (1, (2, 4, 4)), (2, (2, 2, 2))])
def test_knows_the_coarse_shape(steps: int, shape: Shape) -> None:
    assert coarse_shape(cascade(), steps) == shape


def test_with_affine_pixels_the_coarse_image_is_the_mean_of_the_pixels() -> None:
    x = images()
    same(downscale(cascade(), x, 1), avg_pool2d(x, 2))
    same(downscale(cascade(), x, 2), avg_pool2d(x, 4))
    same(downscale(cascade(Affine(scale=3.0, shift=-1.0)), x, 2), avg_pool2d(x, 4))


def test_under_a_logit_it_is_the_logistic_of_the_mean_of_logits() -> None:
    x = images()
    logits = torch.logit(0.05 + 0.9 * x)
    expected = (torch.sigmoid(avg_pool2d(logits, 2)) - 0.05) / 0.9
    same(downscale(cascade(LOGIT), x, 1), expected)
    assert float((expected - avg_pool2d(x, 2)).abs().max()) > 0.01


@PIXELS
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_downscaling_what_was_upscaled_returns_it_whatever_the_noise(
    pixels: ConditionalBijector, steps: int
) -> None:
    flow = cascade(pixels)
    coarse = images(coarse_shape(flow, steps))
    for temperature, seed in [(0.0, 0), (0.4, 1), (0.4, 2)]:
        fine = upscale(flow, coarse, steps, temperature, seed)
        assert fine.shape == (3, *SHAPE)
        same(downscale(flow, fine, steps), coarse)


@PIXELS
@pytest.mark.parametrize("steps", [1, 2])
def test_projecting_twice_is_projecting_once(pixels: ConditionalBijector, steps: int) -> None:
    flow, x = cascade(pixels), images()
    once = project(flow, x, steps)
    assert float((once - x).abs().max()) > 0.1
    same(project(flow, once, steps), once)
    same(once, upscale(flow, downscale(flow, x, steps), steps, temperature=0.0))


def test_at_zero_noise_the_details_are_those_that_the_bijectors_give_for_zero() -> None:
    flow, coarse = cascade(), images((2, 4, 4))
    level = flow.level(0)
    details = level.conditional.inverse(torch.zeros(3, 6, 4, 4, dtype=torch.float64), coarse)
    fine, _ = level.transform(upscale(flow, coarse, 1, temperature=0.0))
    same(fine, torch.cat([coarse, details], dim=1))
    assert float(details.abs().min()) > 0.01


@PIXELS
def test_a_sample_is_its_coarse_image_upscaled_with_the_same_seed(pixels: ConditionalBijector) -> None:
    flow = cascade(pixels)
    drawn = flow.sample(4, temperature=0.3, seed=5)
    for steps in (0, 1, 2):
        again = upscale(flow, downscale(flow, drawn, steps), steps, temperature=0.3, seed=5)
        same(again, drawn)


def test_seeds_decide_the_noise_and_the_global_state_is_left_alone() -> None:
    flow, coarse = cascade(), images((2, 4, 4))
    before = torch.get_rng_state()
    assert torch.equal(upscale(flow, coarse, 1, seed=1), upscale(flow, coarse, 1, seed=1))
    assert not torch.equal(upscale(flow, coarse, 1, seed=1), upscale(flow, coarse, 1, seed=2))
    assert not torch.equal(upscale(flow, coarse, 1), upscale(flow, coarse, 1))
    assert torch.equal(upscale(flow, coarse, 1, 0.0), upscale(flow, coarse, 1, 0.0))
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(OptionError, match="the seed is -1"):
        upscale(flow, coarse, 1, seed=-1)


def test_a_logit_s_white_pixels_keep_their_digits() -> None:
    flow = Flow(SHAPE, [detail_level(IdentityBijector()), last_level()], Logit(1e-6)).float()
    white = torch.full((1, 2, 4, 4), 1.0 - 2.0**-30, dtype=torch.float64)
    fine = upscale(flow, white, 1, temperature=0.0)
    assert fine.dtype == torch.float64
    found, _ = flow.pixels(downscale(flow, fine, 1))
    torch.testing.assert_close(found, flow.pixels(white)[0], rtol=1e-6, atol=0)


def test_takes_samples_that_leave_the_unit_interval_where_the_pixels_allow_it() -> None:
    outside = torch.full((1, 2, 4, 4), 1.04, dtype=torch.float64)
    for pixels in (Affine(), LOGIT):
        flow = cascade(pixels)
        same(downscale(flow, upscale(flow, outside, 1, 0.0), 1), outside)


@final
class Draw(ResolutionTransform):
    """Packs a noisy coarse image with the squeezed fine one, of which its inverse needs no more."""

    traits = TransformTraits(Exactness.BOUND, stochastic=True)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, Tensor]:
        mean = avg_pool2d(x, 2)
        fine, log_det = Squeeze()(x)
        return torch.cat([mean + 0.01 * call.normal(mean), fine], dim=1), log_det

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        return Squeeze().inverse(y[:, y.shape[1] // 5 :])

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        return 5 * channels, height // 2, width // 2


def test_a_stochastic_transform_draws_the_coarse_image_and_upscales_from_any() -> None:
    levels = [Level(Draw(), IdentityBijector(), KeepFirstChannels(5), Wave()), last_level()]
    flow, x = Flow(SHAPE, levels, Affine()).double(), images()
    coarse = downscale(flow, x, 1)
    assert torch.equal(coarse, downscale(flow, x, 1))
    assert 0.0 < float((coarse - avg_pool2d(x, 2)).abs().max()) < 0.1
    fine = upscale(flow, coarse, 1, temperature=0.5, seed=0)
    factored = torch.cat([coarse, Squeeze()(fine)[0]], dim=1)[:, 2:]
    latents = flow.draw_latents(3, 0.5, Call(generator=per_image_generators(0, range(3))))
    same(flow.level(0).conditional(factored, coarse)[0], latents[0])


@pytest.mark.parametrize("steps", [-1, 3, 1.0, True, None])
def test_steps_that_the_model_has_not_are_refused(steps: int, as_users_run_it: None) -> None:
    for call in (downscale, upscale, project):
        with pytest.raises(OptionError, match=r"steps is .* at most 2 .* 3 level\(s\)"):
            call(cascade(), images(), steps)


def test_levels_that_keep_no_image_are_refused() -> None:
    half = Level(Squeeze(), IdentityBijector(), KeepFirstChannels(2), Wave())
    flow = Flow(SHAPE, [half, last_level()], Affine())
    with pytest.raises(
        OptionError, match=r"level 0 of this model keeps no smaller image: its split keeps 4 .* have 2"
    ):
        downscale(flow, images(), 1)
    flow = Flow(SHAPE, [detail_level(), detail_level(joint=ActNorm(8)), last_level()], Affine())
    assert coarse_shape(flow, 1) == (2, 4, 4)
    with pytest.raises(OptionError, match=r"level 1 of .*: its joint mixes .* at most 1 step"):
        upscale(flow, images(), 2)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (images((2, 8, 8)), ShapeError, r"expected images of shape \(B, 2, 4, 4\), got \(3, 2, 8, 8\)"),
        (images((1, 4, 4)), ShapeError, r"got \(3, 1, 4, 4\)"),
        (images((2, 4, 4))[0], ShapeError, r"got \(2, 4, 4\)"),
        (
            torch.ones(1, 2, 4, 4, dtype=torch.uint8),
            DataError,
            r"got torch.uint8.* \(images \+ 0.5\) / 256",
        ),
        (255.0 * images((2, 4, 4)), DataError, r"found values in \[.*25"),
        (float("nan") * images((2, 4, 4)), DataError, r"found values in \[nan, nan\]"),
        (1.06 + 0.0 * images((2, 4, 4)), DataError, r"found values in \[1.06, 1.06\]"),
    ],
)
def test_coarse_images_that_cannot_be_are_refused(
    x: Tensor, error: type[Exception], message: str, as_users_run_it: None
) -> None:
    with pytest.raises(error, match=message):
        upscale(cascade(LOGIT), x, 1)


def test_bytes_are_no_coarse_images_though_affine_pixels_would_take_them() -> None:
    bytes_ = 255.0 * images((2, 4, 4))
    with pytest.raises(DataError, match="coarse images lie in or near"):
        upscale(cascade(), bytes_, 1)


def test_samples_are_scaled_down_however_far_they_leave_the_unit_interval() -> None:
    flow, coarse = cascade(), images((2, 4, 4))
    far = upscale(flow, coarse, 1, temperature=5.0, seed=0)
    assert float(far.abs().max()) > 3.0
    same(downscale(flow, far, 1), coarse)


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), 1e30])
def test_other_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(OptionError, match="temperature"):
        upscale(cascade(), images((2, 4, 4)), 1, temperature)


def test_a_pixel_transform_of_one_size_only_is_refused() -> None:
    pixels = Gaussian(SHAPE).double()
    pixels(images(count=300), None, Call(mode="initialise"))
    flow = Flow(SHAPE, [detail_level(), last_level()], pixels).double()
    with pytest.raises(OptionError, match="affine or logit pixels"):
        downscale(flow, images(), 1)
    with pytest.raises(OptionError, match="affine or logit pixels"):
        upscale(flow, images((2, 4, 4)), 1)


def test_a_result_that_is_not_finite_is_refused() -> None:
    flow = Flow(SHAPE, [detail_level(Affine(scale=1e-320)), last_level()], Affine()).double()
    with pytest.raises(NumericalError, match="not finite"):
        upscale(flow, images((2, 4, 4)), 1)
