"""The splines of single values: the identity to start with, and an inverse that survives what nflows does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from nflows.transforms.splines.rational_quadratic import unconstrained_rational_quadratic_spline
from torch import Tensor

from flowzoo_spline import rational_quadratic
from flowzoo_spline.rational_quadratic import RationalQuadratic

SPLINE = RationalQuadratic(bins=8, bound=12.0)
WILD = 10.0
"""Spread of parameters at which nflows' inverse fails in float32."""


def parameters(count: int, spread: float, spline: RationalQuadratic = SPLINE) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return spread * torch.randn(count, spline.parameters, generator=generator, dtype=torch.float64)


def values(count: int, bound: float = 12.0) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return bound * (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1)


def nflows_itself(x: Tensor, theta: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
    widths, heights, slopes = theta.split([8, 8, 7], dim=-1)
    slopes = slopes + rational_quadratic.SLOPE_OF_ONE
    result: tuple[Tensor, Tensor] = unconstrained_rational_quadratic_spline(
        x, widths, heights, slopes, inverse=inverse, tail_bound=12.0
    )
    return result


@pytest.fixture
def replaced_inverse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Let another function stand for nflows' inverse."""

    def replace(inverse_of: Callable[..., Any]) -> None:
        def spline(*args: Any, inverse: bool = False, **options: Any) -> Any:
            if inverse:
                return inverse_of(*args, **options)
            return unconstrained_rational_quadratic_spline(*args, **options)

        monkeypatch.setattr(rational_quadratic, "unconstrained_rational_quadratic_spline", spline)

    return replace


def refuse(*args: Any, **options: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_parameters_it_is_the_identity(dtype: torch.dtype) -> None:
    x = values(1000, bound=20.0).to(dtype)
    zeros = torch.zeros(1000, SPLINE.parameters, dtype=dtype)
    error = 100 * torch.finfo(dtype).eps
    y, log_slope = SPLINE.forward(x, zeros)
    torch.testing.assert_close(y, x, atol=error, rtol=0)
    torch.testing.assert_close(log_slope, torch.zeros_like(x), atol=error, rtol=0)
    torch.testing.assert_close(SPLINE.inverse(x, zeros), x, atol=error, rtol=0)


@pytest.mark.parametrize("bound", [0.1, 12.0, 64.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_identity_from_the_bound_on(bound: float, dtype: torch.dtype) -> None:
    spline = RationalQuadratic(8, bound)
    x = torch.tensor([bound, -bound, 1.5 * bound, -1e9, 1e30, math.inf, -math.inf], dtype=dtype)
    theta = parameters(len(x), 1.0).to(dtype)
    y, log_slope = spline.forward(x, theta)
    assert torch.equal(y, x)
    assert torch.equal(log_slope, torch.zeros_like(x))
    assert torch.equal(spline.inverse(x, theta), x)


def test_it_joins_its_tails_smoothly() -> None:
    theta = parameters(500, 1.0)
    near = torch.full((500,), 12.0 - 1e-9, dtype=torch.float64)
    for x in (near, -near):
        y, log_slope = SPLINE.forward(x, theta)
        torch.testing.assert_close(y, x, atol=1e-8, rtol=0)
        torch.testing.assert_close(log_slope, torch.zeros_like(x), atol=1e-5, rtol=0)


def test_the_slope_is_the_derivative() -> None:
    x = values(2000, bound=14.0).requires_grad_()
    y, log_slope = SPLINE.forward(x, parameters(2000, 1.0))
    (slope,) = torch.autograd.grad(y.sum(), [x])
    torch.testing.assert_close(log_slope.exp(), slope, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("spread", [0.1, 1.0, WILD, 100.0])
def test_the_inverse_is_as_exact_as_the_slope_allows(spread: float) -> None:
    x, theta = values(20_000), parameters(20_000, spread)
    y, log_slope = SPLINE.forward(x, theta)
    error = (SPLINE.inverse(y, theta) - x) * log_slope.exp()
    assert float(error.abs().max()) < 1e-8


def test_where_nflows_gives_up_in_float32_the_inverse_does_not() -> None:
    theta = parameters(20_000, WILD).float()
    y, _ = SPLINE.forward(values(20_000).float(), theta)
    with pytest.raises(AssertionError):
        nflows_itself(y, theta, inverse=True)
    x = SPLINE.inverse(y, theta)
    assert x.dtype == torch.float32
    again, log_slope = SPLINE.forward(x.double(), theta.double())
    rounding = 2e-6 * (1 + log_slope.exp())
    assert bool(((again - y).abs() < rounding).all())


@pytest.mark.parametrize("spread", [1.0, WILD])
def test_bisection_stands_in_when_nflows_refuses_the_batch(
    spread: float, replaced_inverse: Callable[[Callable[..., Any]], None]
) -> None:
    y, theta = values(2000, bound=14.0), parameters(2000, spread)
    expected = SPLINE.inverse(y, theta)
    _, log_slope = SPLINE.forward(expected, theta)
    replaced_inverse(refuse)
    found = SPLINE.inverse(y, theta)
    assert float(((found - expected) * log_slope.exp()).abs().max()) < 1e-8


def test_a_lost_value_is_found_and_leaves_the_others_alone(
    replaced_inverse: Callable[[Callable[..., Any]], None],
) -> None:
    y, theta = values(50), parameters(50, 1.0)
    expected = SPLINE.inverse(y, theta)

    def lose_one(*args: Any, **options: Any) -> tuple[Tensor, Tensor]:  # as nflows does under python -O
        x, log_slope = unconstrained_rational_quadratic_spline(*args, inverse=True, **options)
        x[7] = math.nan
        return x, log_slope

    replaced_inverse(lose_one)
    found = SPLINE.inverse(y, theta)
    others = torch.arange(50) != 7
    assert torch.equal(found[others], expected[others])
    assert float(found[7]) == pytest.approx(float(expected[7]), abs=1e-9)


def test_bisection_has_the_gradients_of_the_closed_form(
    replaced_inverse: Callable[[Callable[..., Any]], None],
) -> None:
    y, theta = values(50).requires_grad_(), parameters(50, 1.0).requires_grad_()
    expected = torch.autograd.grad(SPLINE.inverse(y, theta).square().sum(), [y, theta])
    replaced_inverse(refuse)
    found = torch.autograd.grad(SPLINE.inverse(y, theta).square().sum(), [y, theta])
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-7)


def test_what_is_not_a_number_stays_none() -> None:
    y, theta = values(4), parameters(4, 1.0)
    expected = SPLINE.inverse(y, theta)
    y[1] = math.nan
    theta[2] = math.nan
    for found in (SPLINE.inverse(y, theta), SPLINE.forward(y, theta)[0]):
        assert found.isnan().tolist() == [False, True, True, False]
    torch.testing.assert_close(SPLINE.inverse(y, theta)[[0, 3]], expected[[0, 3]], atol=1e-9, rtol=0)
