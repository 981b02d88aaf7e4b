"""The map through a mixture's distribution function, against torch's distributions, and far out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Categorical,
    MixtureSameFamily,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
)

from flowzoo.api import OptionError
from flowzoo.registry.build import build_component
from flowzoo.testing import brute_force_log_prob, trial_of
from flowzoo.testing.exhaustive import Totals, require_that_they_add_up, tiny
from flowzoo.testing.models import Model
from flowzoo_coupling.coupling import Coupling
from flowzoo_coupling.mixture_cdf import MixtureCDF

LOGISTICS = 5
LIMIT = 2.0
TOLERANCE = 1e-10
MAP = MixtureCDF(LIMIT, LOGISTICS, TOLERANCE)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(count: int = 400, spread: float = 1.0, elementwise: MixtureCDF = MAP) -> tuple[Tensor, Tensor]:
    """Return values and parameters, ``(count, 1, 1, 2)`` and ``(count, P, 1, 2)``."""
    return 3 * draw(count, 1, 1, 2), spread * draw(count, elementwise.parameters, 1, 2, seed=1)


def logistics(raw: Tensor) -> MixtureSameFamily:
    """Return torch's mixture with the parameters that :class:`MixtureCDF` documents."""
    weights, means, scales = raw[:, 2:].movedim(1, -1).unflatten(-1, (3, LOGISTICS)).unbind(-2)
    places = torch.linspace(-1, 1, LOGISTICS, dtype=torch.float64)
    start = math.sqrt(1 - float(places.square().mean()) / (math.pi**2 / 3))
    uniform = Uniform(torch.zeros_like(means), torch.ones_like(means), validate_args=False)
    affine = AffineTransform(means + places, start * torch.exp(LIMIT * torch.tanh(scales)))
    components = TransformedDistribution(uniform, [SigmoidTransform().inv, affine], validate_args=False)
    return MixtureSameFamily(Categorical(logits=weights), components, validate_args=False)


def test_it_is_torch_s_mixture_of_logistics() -> None:
    x, raw = values()
    raw[:, :2] = 0.0
    y, log_slope = MAP.forward(x, raw)
    mixture = logistics(raw)
    found = mixture.log_prob(x[:, 0])
    torch.testing.assert_close(torch.sigmoid(y[:, 0]), mixture.cdf(x[:, 0]), atol=1e-12, rtol=0)
    # y follows a logistic where x follows the mixture.
    logistic = (torch.nn.functional.logsigmoid(y) + torch.nn.functional.logsigmoid(-y))[:, 0]
    torch.testing.assert_close(logistic + log_slope[:, 0], found, atol=1e-10, rtol=0)


def test_then_comes_an_affine_map() -> None:
    x, raw = values()
    plain = raw.clone()
    plain[:, :2] = 0.0
    bent, log_bend = MAP.forward(x, plain)
    y, log_slope = MAP.forward(x, raw)
    log_scale = LIMIT * torch.tanh(raw[:, :1])
    torch.testing.assert_close(y, bent * torch.exp(log_scale) + raw[:, 1:2], atol=1e-12, rtol=0)
    torch.testing.assert_close(log_slope, log_bend + log_scale, atol=1e-12, rtol=0)


def test_a_single_logistic_is_affine() -> None:
    single = MixtureCDF(LIMIT, 1, TOLERANCE)
    x, raw = values(elementwise=single)
    log_scale, shift, _, mean, spread = raw.split(1, dim=1)
    slope = LIMIT * (torch.tanh(log_scale) - torch.tanh(spread))
    y, log_slope = single.forward(x, raw)
    expected = (x - mean) * torch.exp(slope) + shift
    torch.testing.assert_close(y, expected, atol=1e-10, rtol=1e-12)
    torch.testing.assert_close(log_slope, slope, atol=1e-10, rtol=0)
    torch.testing.assert_close(single.inverse(y, raw), x, atol=1e-10, rtol=0)


def test_it_starts_near_the_identity_with_gradients_that_part_the_logistics() -> None:
    x = torch.linspace(-4, 4, 161, dtype=torch.float64).reshape(1, 1, 1, 161)
    raw = torch.zeros(1, MAP.parameters, 1, 161, dtype=torch.float64, requires_grad=True)
    y, log_slope = MAP.forward(x, raw)
    assert float((y - x).detach().abs().max()) < 0.2
    assert float(log_slope.detach().abs().max()) < 0.1
    (y.square() / 2 - log_slope).sum().backward()
    assert raw.grad is not None
    means = raw.grad[0, 2 + LOGISTICS : 2 + 2 * LOGISTICS].sum((1, 2))
    assert len(set(means.tolist())) == LOGISTICS


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_slope_is_the_derivative_and_the_inverse_comes_back(spread: float) -> None:
    x, raw = values(spread=spread)
    x = x.requires_grad_()
    y, log_slope = MAP.forward(x, raw)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope, slope.log(), atol=1e-8, rtol=1e-9)
    # Where the slope is small, so is what y holds of x.
    error = (MAP.inverse(y, raw) - x) * slope.clamp(max=1.0)
    assert float(error.detach().abs().max()) < 1e-9
    again, _ = MAP.forward(MAP.inverse(3 * draw(*x.shape, seed=2), raw), raw)
    torch.testing.assert_close(again, 3 * draw(*x.shape, seed=2), atol=1e-8, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_out_it_goes_on_in_straight_lines(dtype: torch.dtype) -> None:
    _, raw = values(count=50)
    widest = LIMIT * torch.tanh(raw[:, 2 + 2 * LOGISTICS :]).amax(1, keepdim=True)
    places = torch.linspace(-1, 1, LOGISTICS)
    start = 0.5 * math.log(1 - float(places.square().mean()) / (math.pi**2 / 3))
    expected = LIMIT * torch.tanh(raw[:, :1]) - start - widest
    for far in (1e6, 1e8, 1e20):
        for side in (-far, far):
            x = torch.full((50, 1, 1, 2), side, dtype=dtype, requires_grad=True)
            given = raw.to(dtype).requires_grad_()
            y, log_slope = MAP.forward(x, given)
            torch.testing.assert_close(log_slope.double(), expected, atol=1e-5, rtol=0)
            gradients = torch.autograd.grad([log_slope.sum(), y.sum()], [x, given])
            assert all(bool(each.isfinite().all()) for each in gradients)
            torch.testing.assert_close(MAP.inverse(y, given), x, atol=0, rtol=1e-5)


def test_float32_is_float64_rounded_1000_scales_out() -> None:
    _, raw = values()
    x = torch.linspace(-1000, 1000, 800, dtype=torch.float64).reshape(400, 1, 1, 2)
    y, log_slope = MAP.forward(x, raw)
    found, found_slope = MAP.forward(x.float(), raw.float())
    torch.testing.assert_close(found.double(), y, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found_slope.double(), log_slope, atol=2e-3, rtol=0)


def test_the_inverse_has_the_gradients_of_the_inverse_function() -> None:
    x, raw = values(count=20)
    y = MAP.forward(x, raw)[0].requires_grad_()
    given = raw.clone().requires_grad_()
    found = torch.autograd.grad(MAP.inverse(y, given).sum(), [y, given])
    x, given = x.requires_grad_(), raw.clone().requires_grad_()
    slope, by_raw = torch.autograd.grad(MAP.forward(x, given)[0].sum(), [x, given])
    torch.testing.assert_close(found[0], 1 / slope, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found[1], -by_raw / slope, rtol=1e-6, atol=1e-9)


def test_the_inverse_of_a_value_does_not_depend_on_the_others() -> None:
    x, raw = values(count=30)
    y, _ = MAP.forward(x, raw)
    together = MAP.inverse(torch.cat([y, 1e3 * y]), torch.cat([raw, raw]))[:30]
    alone = torch.cat([MAP.inverse(*each) for each in zip(y.split(1), raw.split(1), strict=True)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8, 1e-14])
def test_the_tolerance_bounds_the_error_of_the_inverse(tolerance: float) -> None:
    elementwise = MixtureCDF(LIMIT, LOGISTICS, tolerance)
    x, raw = values(spread=0.5)
    y, _ = elementwise.forward(x, raw)
    torch.testing.assert_close(elementwise.inverse(y, raw), x, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-10])
def test_the_tolerance_holds_where_slopes_change_a_thousandfold(tolerance: float) -> None:
    loose, tight = (MixtureCDF(8.0, LOGISTICS, each) for each in (tolerance, 1e-15))
    generator = torch.Generator().manual_seed(0)
    raw = 10 * torch.randn((100, loose.parameters, 8, 8), generator=generator, dtype=torch.float64)
    raw[:, :2] = 0
    y = torch.randn((100, 1, 8, 8), generator=generator, dtype=torch.float64)
    torch.testing.assert_close(loose.inverse(y, raw), tight.inverse(y, raw), atol=tolerance, rtol=tolerance)


def test_what_is_not_a_number_stays_none_and_harms_no_other() -> None:
    x, raw = values(count=4)
    y, _ = MAP.forward(x, raw)
    y[1], raw[2] = math.nan, math.nan
    for found in (MAP.inverse(y, raw), MAP.forward(y, raw)[0]):
        assert found.isnan().flatten(1).all(1).tolist() == [False, True, True, False]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_and_its_mixtures_are_computed_in_float32(dtype: torch.dtype) -> None:
    x, raw = (each.to(dtype) for each in values())
    y, log_slope = MAP.forward(x, raw)
    assert y.dtype == MAP.inverse(y, raw).dtype == dtype
    assert log_slope.dtype == torch.float32
    assert bool(y.isfinite().all())


PLACES = {
    "realnvp": ("joint", "last"),
    "glow": ("joint", "last"),
    "wavelet-flow": ("bijector", "last"),
    "pnf": ("bijector",),
    "lcma": ("joint", "last"),
}


def options(model: str, **more: object) -> dict[str, object]:
    """Return the options of a model's own trial, with mixtures in all of its couplings."""
    declared = trial_of("model", model).check.options
    mixtures = {"coupling": "mixture-cdf", "logistics": 3, **more}
    return {**declared, **{place: {**declared[place], **mixtures} for place in PLACES[model]}}


@pytest.mark.parametrize("model", PLACES)
def test_families_take_it_by_option(model: str) -> None:
    subject = Model.ready(trial_of("model", model).with_check(options=options(model)))
    flow, x = subject.module, subject.images()
    couplings = [module for module in flow.modules() if isinstance(module, Coupling)]
    assert couplings
    assert all(isinstance(each.elementwise, MixtureCDF) for each in couplings)
    torch.testing.assert_close(flow.log_prob(x[:2]), brute_force_log_prob(flow, x[:2]), atol=1e-8, rtol=0)
    torch.testing.assert_close(flow.decode(flow.encode(x[:2])), x[:2], atol=1e-8, rtol=0)


def test_probabilities_of_all_integer_images_add_up() -> None:
    subject = tiny(Model, trial_of("model", "realnvp").with_check(options=options("realnvp")), (1, 2, 1))
    assert subject is not None
    with torch.no_grad():
        require_that_they_add_up(Totals(subject.module))


def test_a_checkerboard_s_other_pixels_stay_to_the_bit() -> None:
    flow = build_component(
        "bijector", "realnvp", (2, 3, 4), None, checkerboard=1, channel=0, coupling="mixture-cdf"
    )
    x = draw(3, 2, 3, 4).float()
    z, _ = flow(x)
    same = (z == x)[:, 0]
    row, column = torch.arange(3)[:, None], torch.arange(4)
    assert torch.equal(same, ((row + column) % 2 == 1).expand(3, 3, 4))
    assert torch.equal((flow.inverse(z) == x)[same[:, None].expand_as(x)], torch.ones(36, dtype=torch.bool))


@pytest.mark.parametrize("bijector", ["glow", "realnvp"])
def test_it_cannot_preserve_volume(bijector: str) -> None:
    with pytest.raises(OptionError, match="additive"):
        build_component("bijector", bijector, (2, 4, 4), None, coupling="mixture-cdf", additive=True)


def test_parameters_that_overflowed_do_not_make_the_inverse_go_on_for_ever() -> None:
    x, raw = values(count=4)
    raw[0, 2 + LOGISTICS] = -torch.inf  # a mean
    found = MAP.inverse(x, raw)
    torch.testing.assert_close(found[1:], MAP.inverse(x[1:], raw[1:]))
