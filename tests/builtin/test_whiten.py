"""Whitening in closed form: white on what it was fitted to, and the conditional of a joint Gaussian."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor
from torch.nn import functional as F

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector
from flowzoo.builtin.linear_gaussian import linear_gaussian
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.whiten import NOTICEABLE, Whiten
from flowzoo.call import EVALUATION, Call, Ledger
from flowzoo.errors import NotInitialisedError, NumericalError, ShapeError
from flowzoo.first_pass_end import remarks
from flowzoo.solving import Finding, Solving
from tests.builtin.test_gaussian import covariance_of
from tests.toys import OtherLoss


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def details(count: int = 400, side: int = 6, scale: int = 1) -> tuple[Tensor, Tensor]:
    """Return three channels of details that depend on a 3x3 neighbourhood of a smooth context, and it."""
    context = F.avg_pool2d(noise(count, 2, side + 2, side + 2), 3, stride=1) * 4.0 + 1.0
    around = F.pad(context, (1, 1, 1, 1), mode="replicate")
    mean = F.conv2d(around, 0.3 * noise(3, 2, 3, 3, seed=1))
    mixing = torch.eye(3, dtype=torch.float64) + 0.5 * noise(3, 3, seed=2)
    own = torch.einsum("ij,bjhw->bihw", mixing, noise(count, 3, side, side, seed=3))
    x = 0.05 * (mean + own) + 0.5
    return F.interpolate(x, scale_factor=scale) + 0.03 * noise(count, 3, side * scale, side * scale), context


def fitted(whiten: Whiten, x: Tensor, context: Tensor | None, batch: int = 100) -> Whiten:
    whiten = whiten.double()
    contexts: Iterable[Tensor | None] = [None] * len(x) if context is None else context.split(batch)
    for images, given in zip(x.split(batch), contexts, strict=False):
        whiten(images, given, Call(mode="initialise", ledger=Ledger()))
    return whiten


def covariance_by_place(values: Tensor) -> Tensor:
    """Return the covariance of the channels, over all places of all images."""
    return values.transpose(0, 1).flatten(1).cov(correction=0)


@pytest.mark.parametrize("scale", [1, 2])
def test_is_white_on_the_data_it_was_fitted_to_whatever_stands_around_it(scale: int) -> None:
    x, context = details(scale=scale)
    whiten = fitted(Whiten(IdentityBijector(), tuple(x.shape[1:]), (2, 6, 6), whole=0), x, context)

    z, _ = whiten(x, context)

    places = F.pixel_unshuffle(z, scale)
    assert (places.mean((0, 2, 3)).abs() < 1e-9).all()
    torch.testing.assert_close(
        covariance_by_place(places), torch.eye(3 * scale**2).double(), atol=2e-2, rtol=0
    )
    window = F.unfold(F.pad(context, (1, 1, 1, 1), mode="replicate"), 3).unflatten(2, (6, 6))
    together = torch.corrcoef(torch.cat([window, places], 1).transpose(0, 1).flatten(1))
    assert together[: window.shape[1], window.shape[1] :].abs().max() < 1e-2


def test_whitens_blocks_of_pixels_where_there_is_no_context() -> None:
    x, _ = details(side=4)
    whiten = fitted(Whiten(IdentityBijector(), (3, 4, 4), block=2), x, None)

    z, log_det = whiten(x)

    places = F.pixel_unshuffle(z, 2)
    torch.testing.assert_close(covariance_by_place(places), torch.eye(12).double(), atol=3e-2, rtol=0)
    blocks = F.pixel_unshuffle(x, 2).transpose(0, 1).flatten(1)
    expected = -0.5 * 4 * torch.logdet(blocks.cov(correction=0))
    torch.testing.assert_close(log_det, expected.expand(len(x)), rtol=5e-3, atol=0)
    torch.testing.assert_close(whiten.inverse(z), x)


@pytest.mark.parametrize(("sides", "block"), [((8, 12), (4, 4)), ((28, 7), (4, 1)), ((6, 3), (3, 3))])
def test_a_block_s_side_divides_that_of_the_image(sides: tuple[int, int], block: tuple[int, int]) -> None:
    assert Whiten(IdentityBijector(), (1, *sides), block=4).block == block


def test_takes_away_what_the_neighbourhood_predicts_and_counts_it() -> None:
    x, context = details()
    whiten = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6), whole=0), x, context)
    alone = fitted(Whiten(IdentityBijector(), (3, 6, 6), whole=0), x, None)

    def nats(bijector: Whiten, given: Tensor | None) -> float:
        z, log_det = bijector(x, given)
        return float((standard_normal_log_prob(z) + log_det).mean()) / 108

    own = torch.einsum("ij,kj->ik", *[torch.eye(3, dtype=torch.float64) + 0.5 * noise(3, 3, seed=2)] * 2)
    left = 0.05**2 * own + 0.03**2 * torch.eye(3)
    best = -0.5 * (1.0 + torch.log(torch.tensor(2 * torch.pi)) + torch.logdet(left) / 3)
    assert nats(whiten, context) == pytest.approx(float(best), abs=0.01)
    assert nats(whiten, context) > nats(alone, None) + 0.1


def test_is_the_conditional_of_the_joint_gaussian_where_a_place_is_the_whole() -> None:
    joint = noise(3000, 5) @ (torch.eye(5) + 0.3 * noise(5, 5, seed=5)) + 2.0
    context, x = joint[:, :2].reshape(-1, 2, 1, 1), joint[:, 2:].reshape(-1, 3, 1, 1)
    whiten = fitted(Whiten(IdentityBijector(), (3, 1, 1), (2, 1, 1)), x, context)

    z, log_det = whiten(x, context)

    mean, sigma = joint.mean(0), covariance_of(joint.numpy())
    expected = multivariate_normal(mean, sigma).logpdf(joint)
    expected -= multivariate_normal(mean[:2], sigma[:2, :2]).logpdf(joint[:, :2])
    assert (standard_normal_log_prob(z) + log_det).numpy() == pytest.approx(expected, rel=1e-8)


def test_a_small_image_is_whitened_as_a_whole_given_its_whole_context() -> None:
    joint = noise(4000, 10) @ (torch.eye(10) + 0.3 * noise(10, 10, seed=5)) + 2.0
    context, x = joint[:, :4].reshape(-1, 1, 2, 2), joint[:, 4:].reshape(-1, 3, 1, 2)
    whiten = fitted(Whiten(IdentityBijector(), (3, 1, 2), (1, 2, 2), whole=10), x, context, batch=1000)

    z, log_det = whiten(x, context)

    mean, sigma = joint.mean(0), covariance_of(joint.numpy())
    expected = multivariate_normal(mean, sigma).logpdf(joint)
    expected -= multivariate_normal(mean[:4], sigma[:4, :4]).logpdf(joint[:, :4])
    assert (standard_normal_log_prob(z) + log_det).numpy() == pytest.approx(expected, rel=1e-8)
    torch.testing.assert_close(whiten.inverse(z, context), x)
    with pytest.raises(ShapeError, match="context"):
        whiten(x, noise(4000, 1, 2, 4))


def test_a_whole_image_without_a_context_has_the_density_of_the_gaussian() -> None:
    x = (noise(300, 8) @ noise(8, 8, seed=5)).reshape(300, 2, 2, 2) + 1.0
    whiten = fitted(Whiten(IdentityBijector(), (2, 2, 2), whole=8), x, None)
    gaussian = Gaussian((2, 2, 2)).double()
    gaussian(x, None, Call(mode="initialise"))

    z, log_det = whiten(x)
    other, other_log_det = gaussian(x)

    torch.testing.assert_close(log_det, other_log_det)
    torch.testing.assert_close(standard_normal_log_prob(z), standard_normal_log_prob(other))
    assert (torch.corrcoef(torch.cat([x, z], 1).flatten(1).T)[:8, 8:].diagonal() > 0).all()


def test_statistics_are_those_of_all_batches_up_to_the_number_of_images() -> None:
    x, context = details(count=40)
    at_once = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6), whole=0), x, context, batch=40)
    many = Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6), images=20, whole=0).double()
    many.context_scale = at_once.context_scale
    asked = []
    for images, given in zip(x[:30].split(10), context[:30].split(10), strict=True):
        ledger = Ledger()
        many(images, given, Call(mode="initialise", ledger=ledger))
        asked.append(ledger.wants_more)
    few = Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6), whole=0).double()
    few.context_scale = at_once.context_scale
    few(x[:20], context[:20], Call(mode="initialise"))

    assert asked == [True, False, False]
    torch.testing.assert_close(many.whitening, few.whitening)
    torch.testing.assert_close(many.slope, few.slope)


def test_a_large_image_counts_with_places_on_a_grid() -> None:
    x, context = noise(2, 1, 66, 200), noise(2, 1, 66, 200, seed=1)
    x = x + 0.5 * context
    whiten = fitted(Whiten(IdentityBijector(), (1, 66, 200), (1, 66, 200)), x, context)

    scaled = (context - context.mean()) / context.std(correction=0)
    around = F.unfold(F.pad(scaled, (1, 1, 1, 1), mode="replicate"), 3)
    rows = around.unflatten(2, (66, 200))[:, :, ::3, ::5].flatten(2).transpose(1, 2).flatten(0, 1)
    moments = Moments()
    moments.update(torch.cat([rows, x[:, 0, ::3, ::5].reshape(-1, 1)], 1))
    torch.testing.assert_close(whiten.slope.flatten(), linear_gaussian(moments, 9).slope.flatten())


@pytest.mark.parametrize(("ends", "seen"), [(True, 1), (False, 3)])
def test_what_ends_a_level_is_left_out_of_later_batches(ends: bool, seen: int) -> None:
    class Counting(IdentityBijector):
        batches = 0

        def forward(
            self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
        ) -> tuple[Tensor, Tensor]:
            self.batches += 1
            return super().forward(x, context, call)

    inner = Counting()
    fitted(Whiten(inner, (3, 6, 6), ends=ends), details(count=30)[0], None, batch=10)

    assert inner.batches == seen


def test_an_inner_bijector_that_asks_for_more_gets_it() -> None:
    x = details(count=2000, side=2)[0]
    whiten = fitted(Whiten(Gaussian((3, 2, 2)), (3, 2, 2), whole=0, ends=True), x, None)

    z, _ = whiten(x)

    torch.testing.assert_close(z.flatten(1).T.cov(correction=0), torch.eye(12).double(), atol=0.2, rtol=0)


def test_a_kernel_longer_than_a_side_of_the_context_is_one_value_along_it() -> None:
    assert Whiten(IdentityBijector(), (3, 2, 8), (2, 2, 8), whole=0).slope.shape == (3, 2, 1, 3)
    assert Whiten(IdentityBijector(), (3, 4, 4), (2, 1, 2), kernel=1, whole=0).slope.shape == (
        3 * 4 * 2,
        2,
        1,
        1,
    )


def test_a_context_of_any_resolution_is_taken() -> None:
    x = details(count=30)[0]
    for side in (1, 4, 9):
        context = noise(30, 2, side, side)
        whiten = fitted(Whiten(ActNorm(3), (3, 6, 6), (2, side, side)), x, context)
        torch.testing.assert_close(whiten.inverse(whiten(x, context)[0], context), x)


def test_the_loss_is_the_inner_ones_less_the_log_determinant() -> None:
    x, context = details(count=30)
    whiten = fitted(Whiten(OtherLoss(), (3, 6, 6), (2, 6, 6)), x, context)
    white = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6)), x, context)

    z, log_det = white(x, context)

    torch.testing.assert_close(whiten.loss(x, context), whiten.inner.loss(z) - log_det)
    assert not whiten.traits.loss_is_likelihood


@pytest.mark.parametrize(("count", "advised"), [(3, True), (300, False)])
def test_few_images_shrink_what_is_kept_of_the_correlations_and_say_so(count: int, advised: bool) -> None:
    x = (noise(count, 8) @ noise(8, 8, seed=5)).reshape(count, 2, 2, 2)
    whiten = fitted(Whiten(IdentityBijector(), (2, 2, 2), whole=8), x, None)
    found: list[Finding] = []

    whiten(x, None, Call(solver=Solving(findings=found)))

    assert (found[0].figures["shrinkage"] > NOTICEABLE) == advised == bool(found[0].advice)
    assert bool(remarks(whiten)) == advised


def test_a_single_value_has_no_correlations_to_shrink() -> None:
    assert remarks(fitted(Whiten(IdentityBijector(), (1, 2, 2)), noise(50, 1, 2, 2), None)) == []


def test_gray_images_in_three_channels_have_a_density() -> None:
    x = noise(50, 1, 4, 4).repeat(1, 3, 1, 1)
    whiten = fitted(Whiten(IdentityBijector(), (3, 4, 4), whole=0), x, None)

    z, log_det = whiten(x)

    assert bool(log_det.isfinite().all())
    torch.testing.assert_close(whiten.inverse(z), x)


def test_rounding_to_half_precision_in_training_leaves_the_whitening_alone() -> None:
    x, context = (each.float() for each in details(count=50))
    whiten = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6)), x.double(), context.double()).float()
    expected = whiten.loss(x, context)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = whiten.loss(x, context)

    torch.testing.assert_close(found, expected)


def test_use_before_the_first_pass_is_refused() -> None:
    whiten = Whiten(IdentityBijector(), (3, 2, 2), whole=12).double()
    for call in (whiten, whiten.inverse, whiten.loss):
        with pytest.raises(NotInitialisedError, match="whiten"):
            call(noise(1, 3, 2, 2))


def test_values_without_correlations_are_not_said_to_come_from_few_images() -> None:
    whiten = fitted(Whiten(IdentityBijector(), (3, 4, 4)), noise(2000, 3, 4, 4), None)
    whiten.end_first_pass()
    found: list[Finding] = []
    whiten(noise(1, 3, 4, 4), None, Call(solver=Solving(findings=found)))
    assert found[0].figures["shrinkage"] > NOTICEABLE
    assert "as it should where values have hardly any" in found[0].advice[0]
    assert remarks(whiten) == []


@pytest.mark.parametrize(
    ("side", "kernel", "said"), [(4, 7, True), (4, 3, False), (8, 7, False), (2, 7, False), (2, 3, False)]
)
def test_a_kernel_for_which_the_context_is_too_small_is_named(side: int, kernel: int, said: bool) -> None:
    x, context = details(count=400, side=side)
    whiten = fitted(Whiten(IdentityBijector(), (3, side, side), (2, side, side), kernel=kernel), x, context)
    assert [f"kernel={kernel}" in each for each in remarks(whiten)] == [True] * said


def test_images_of_another_shape_and_data_that_are_not_finite_are_refused() -> None:
    whiten = Whiten(IdentityBijector(), (3, 2, 2), whole=12).double()
    with pytest.raises(ShapeError, match="whiten"):
        fitted(whiten, noise(5, 3, 2, 3), None)
    with pytest.raises(NumericalError, match="NaN"):
        fitted(whiten, noise(5, 3, 2, 2) * torch.nan, None)


def test_images_that_do_not_fit_into_memory_at_once_are_gathered_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, context = details(count=30)
    at_once = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6)), x, context)
    monkeypatch.setattr("flowzoo.builtin.whiten._NUMBERS", 7 * 36 * 21)

    in_parts = fitted(Whiten(IdentityBijector(), (3, 6, 6), (2, 6, 6)), x, context)

    torch.testing.assert_close(in_parts.whitening, at_once.whitening)
    torch.testing.assert_close(in_parts.slope, at_once.slope)


def test_a_second_first_pass_reaches_the_inner_bijector_again() -> None:
    x = details(count=30)[0]
    whiten = fitted(Whiten(ActNorm(3), (3, 6, 6), whole=0, ends=True), x, None)
    whiten.end_first_pass()
    whiten.inner = ActNorm(3).double()
    whiten(x, None, Call(mode="initialise"))
    torch.testing.assert_close(whiten.inverse(whiten(x)[0]), x)
