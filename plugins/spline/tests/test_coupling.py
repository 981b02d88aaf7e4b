"""The coupling against nflows' own, and the stack against brute force on every shape."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nflows.transforms.coupling import PiecewiseRationalQuadraticCouplingTransform
from torch import Tensor, nn

import flowzoo
from flowzoo.api import EVALUATION, Call, ConditionalBijector, Images, Network, Shape
from flowzoo.registry.build import build_component
from flowzoo.testing import brute_force_log_prob, checks_for, randomise, run_check, trial_of
from flowzoo_spline.checkerboard import moving_places
from flowzoo_spline.coupling import SplineCoupling
from flowzoo_spline.rational_quadratic import SLOPE_OF_ONE, RationalQuadratic

BINS = 5
SPLINE = RationalQuadratic(BINS, bound=3.0)
NARROW = {"hidden": 6, "blocks": 1}


def images(shape: Shape, count: int = 3, seed: int = 0, spread: float = 1.5) -> Images:
    generator = torch.Generator().manual_seed(seed)
    return spread * torch.randn(count, *shape, dtype=torch.float64, generator=generator)


def build(shape: Shape, context_shape: Shape | None = None, **options: object) -> ConditionalBijector:
    """Build a spline bijector whose network is far from zero."""
    options = {"bins": BINS, "bound": 3.0, "layers": 2, "network": NARROW, **options}
    bijector: ConditionalBijector = build_component("bijector", "spline", shape, context_shape, **options)
    bijector.double()
    randomise(bijector, seed=0)
    return bijector


class ForNflows(nn.Module):
    """Our network as nflows calls it: from a vector of the values that stay to parameters value by value."""

    def __init__(self, network: Network, shape: Shape, parity: int) -> None:
        super().__init__()
        self.network = network
        self.shape = shape
        self.moving = moving_places(shape, parity)

    def forward(self, stays: Tensor, context: Tensor | None = None) -> Tensor:
        batch, count = len(stays), torch.Size(self.shape).numel()
        staying = [place for place in range(count) if place not in self.moving.tolist()]
        seen = torch.zeros(batch, count, dtype=stays.dtype)
        seen[:, staying] = stays
        theta = self.network(seen.reshape(batch, *self.shape), context)
        grid = theta.reshape(batch, self.shape[0], SPLINE.parameters, *self.shape[1:]).permute(0, 1, 3, 4, 2)
        chosen = grid.reshape(batch, count, SPLINE.parameters)[:, self.moving].clone()
        chosen[..., 2 * BINS :] += SLOPE_OF_ONE
        return chosen.flatten(1)


@pytest.mark.filterwarnings("ignore:Inputs to the softmax are not scaled down")
@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("shape", [(2, 4, 3), (1, 2, 4), (5, 1, 1)])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_layer_is_nflows_own_coupling(shape: Shape, parity: int, conditional: bool) -> None:
    context_shape = (2, *shape[1:]) if conditional else None
    context = images(context_shape, count=20, seed=1) if context_shape else None
    channels = shape[0] * SPLINE.parameters
    network = build_component("network", "residual-conv", shape, channels, context_shape, False, **NARROW)
    network.double()
    randomise(network, seed=0)
    ours = SplineCoupling(parity, network, SPLINE)
    mask = torch.zeros(torch.Size(shape).numel())
    mask[moving_places(shape, parity)] = 1
    theirs = PiecewiseRationalQuadraticCouplingTransform(
        mask, lambda *sizes: ForNflows(network, shape, parity), num_bins=BINS, tails="linear", tail_bound=3.0
    )
    x = images(shape, count=20)
    z, log_det = ours(x, context)
    expected, expected_log_det = theirs(x.flatten(1), context)
    torch.testing.assert_close(z.flatten(1), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(log_det, expected_log_det, atol=1e-12, rtol=0)
    assert float(log_det.detach().abs().max()) > 0.1
    back, back_log_det = theirs.inverse(z.flatten(1), context)
    torch.testing.assert_close(ours.inverse(z, context).flatten(1), back, atol=1e-12, rtol=0)
    torch.testing.assert_close(back_log_det, -log_det, atol=1e-9, rtol=0)


sizes = st.integers(1, 3)


@settings(deadline=None, max_examples=30)
@given(st.tuples(sizes, sizes, sizes), st.integers(1, 3), st.booleans())
def test_any_shape_round_trips_with_the_log_det_of_its_jacobian(
    shape: Shape, layers: int, conditional: bool
) -> None:
    context_shape = (2, *shape[1:]) if conditional else None
    flow = build(shape, context_shape, layers=layers)
    context = images(context_shape, seed=1) if context_shape else None
    x = images(shape)
    z, log_det = flow(x, context)
    torch.testing.assert_close(flow.inverse(z, context), x, atol=1e-9, rtol=0)
    for place in range(len(x)):
        given = None if context is None else context[place : place + 1]
        jacobian = torch.autograd.functional.jacobian(lambda v, c=given: flow(v[None], c)[0], x[place])
        count = x[place].numel()
        expected = torch.linalg.slogdet(jacobian.reshape(count, count)).logabsdet
        torch.testing.assert_close(log_det[place], expected, atol=1e-9, rtol=0)


# A single value is an edge of what can be computed, and too little for a component to declare as its trial.
@pytest.mark.parametrize("check", [check for check in checks_for("bijector") if check != "declaration"])
def test_a_single_value_given_a_context_passes_the_kit(check: str) -> None:
    trial = trial_of("bijector", "spline").with_check(shape=(1, 1, 1), context_shape=(2, 1, 1))
    result = run_check(trial, check)
    assert result.passed, result.detail


def test_a_single_value_on_its_own_is_moved_by_the_biases() -> None:
    flow = build((1, 1, 1))
    x = images((1, 1, 1), count=200)
    z, log_det = flow(x)
    assert float(log_det.detach().std()) > 1e-3
    assert z.flatten()[x.flatten().argsort()].diff().min() > 0


def test_images_of_another_size_than_built_for_are_moved_alike() -> None:
    flow = build((2, 4, 4), (1, 4, 4))
    x, context = images((2, 7, 6)), images((1, 7, 6), seed=1)
    torch.testing.assert_close(flow.inverse(flow(x, context)[0], context), x, atol=1e-9, rtol=0)
    # Far enough from a border, an image's values do not feel that there is more of it.
    one = build((2, 4, 4), (1, 4, 4), layers=1)
    large, wide = images((2, 20, 20)), images((1, 20, 20), seed=1)
    crop = one(large[..., :14, :14], wide[..., :14, :14])[0]
    torch.testing.assert_close(one(large, wide)[0][..., :6, :6], crop[..., :6, :6])


def test_a_layer_s_shares_are_the_log_slopes_of_the_values_that_move() -> None:
    flow = build((2, 3, 3), layers=1)
    x, before = images((2, 3, 3)), images((2, 3, 3), seed=1)
    _, contributions = flow.forward_with_contributions(x, before)
    for place, image in enumerate(x):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0], image).reshape(18, 18)
        expected = before[place].flatten() + jacobian.diagonal().log()
        torch.testing.assert_close(contributions[place].flatten(), expected, atol=1e-10, rtol=0)


def test_it_starts_as_the_identity() -> None:
    flow = build_component("bijector", "spline", (3, 4, 4), None, network=NARROW)
    x = images((3, 4, 4), spread=5.0).float()
    z, log_det = flow(x)
    torch.testing.assert_close(z, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(log_det, torch.zeros(3), atol=1e-4, rtol=0)


def test_extreme_inputs_in_float32_come_back() -> None:
    extremes = [0.0, -0.0, 1e-30, -1e-30, 2.9999999, 3.0, -3.0, 3.0000005, 1e3, -1e6, 1e30, -1e30]
    x = images((2, 4, 4), count=24).float()
    x.flatten()[:: x.numel() // len(extremes)][: len(extremes)] = torch.tensor(extremes)
    network = build_component(
        "network", "residual-conv", (2, 4, 4), 2 * SPLINE.parameters, None, False, **NARROW
    )
    randomise(network, seed=0)
    # The network is shown something reasonable: it is the splines that are on trial.
    layer = SplineCoupling(0, Bounded(network), SPLINE)
    z, log_det = layer(x)
    assert z.dtype == log_det.dtype == torch.float32
    assert bool(log_det.isfinite().all())
    back = layer.inverse(z)
    assert back.dtype == torch.float32
    # Rounding in float32, stretched by the slope of the steepest bin; how it rounds depends on the processor.
    torch.testing.assert_close(back, x, atol=3e-4, rtol=0)


class Bounded(Network):
    """A network that sees values cut to [-5, 5]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        result: Images = self.network(x.clamp(-5.0, 5.0), context, time)
        return result


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_and_its_splines_are_computed_in_float32(dtype: torch.dtype) -> None:
    flow = build((2, 4, 4)).to(dtype)
    x = images((2, 4, 4)).to(dtype)
    z, log_det = flow(x)
    assert z.dtype == flow.inverse(z).dtype == dtype
    assert log_det.dtype == torch.float32
    assert bool(z.isfinite().all())


@pytest.mark.parametrize(
    ("model", "where"),
    [
        ("mrcnf", "bijector"),
        ("realnvp", "joint"),
        ("realnvp", "last"),
        ("glow", "joint"),
        ("pnf", "bijector"),
    ],
)
def test_other_families_take_splines(model: str, where: str) -> None:
    spline = {"name": "spline", "layers": 2, "bins": 4, "network": NARROW}
    flow = flowzoo.create_model(model, (1, 4, 4), levels=2, seed=0, **{where: spline}).double()
    x = torch.rand(64, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flow.initialise([x])
    randomise(flow, seed=0)
    assert any(isinstance(module, SplineCoupling) for module in flow.modules())
    torch.testing.assert_close(flow.log_prob(x[:2]), brute_force_log_prob(flow, x[:2]), atol=1e-7, rtol=0)
