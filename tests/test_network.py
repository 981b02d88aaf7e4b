"""What every network can do as the right-hand side of an ODE, against closed forms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowzoo.call import EVALUATION, Call
from flowzoo.network import Network
from flowzoo.shapes import Images

TIME = 0.7


class Ripple(Network):
    """``y = t sin(a x_0) + x_1 / 2 + mean(c)``, ``x_1`` mirrored; from two channels to one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.3, dtype=torch.float64))

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        assert time is not None
        given = x.new_zeros(len(x)) if context is None else context.flatten(1).mean(1)
        return time * torch.sin(self.a * x[:, :1]) + 0.5 * x[:, 1:].flip(3) + given.reshape(-1, 1, 1, 1)

    def product(self, x: Tensor, tangent: Tensor) -> Tensor:
        """Return ``J tangent`` by hand."""
        slope = TIME * self.a * torch.cos(self.a * x[:, :1])
        return slope * tangent[..., :1, :, :] + 0.5 * tangent[..., 1:, :, :].flip(-1)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_no_reach_is_known_unless_declared() -> None:
    assert Ripple().receptive_radius is None


@pytest.mark.parametrize("context", [None, draw(3, 1, 2, 2, seed=1)], ids=["alone", "given"])
def test_a_prepared_network_computes_the_network(context: Tensor | None) -> None:
    network, x = Ripple(), draw(3, 2, 4, 4)

    found = network.prepare(context, x)(x, TIME)

    assert torch.equal(found, network(x, context, torch.tensor(TIME, dtype=torch.float64)))


def test_the_time_comes_in_the_precision_of_the_images() -> None:
    seen: list[Tensor] = []

    class Clock(Ripple):
        def forward(
            self,
            x: Images,
            context: Images | None = None,
            time: Tensor | None = None,
            call: Call = EVALUATION,
        ) -> Images:
            assert time is not None
            seen.append(time)
            return x

    x = draw(3, 2, 4, 4)
    Clock().prepare(None, x)(x, TIME)
    Clock().prepare(None, x)(x.float(), TIME)

    assert [(time.dtype, time.shape) for time in seen] == [(torch.float64, ()), (torch.float32, ())]


@pytest.mark.parametrize("with_gradients", [True, False])
def test_a_tangent_is_multiplied_by_the_jacobian(with_gradients: bool) -> None:
    network, x, tangent = Ripple(), draw(3, 2, 4, 4), draw(3, 2, 4, 4, seed=2)
    prepared = network.prepare(None, x)

    with torch.set_grad_enabled(with_gradients):
        value, product = prepared.jvp(x, tangent, TIME)

    torch.testing.assert_close(value, prepared(x, TIME))
    torch.testing.assert_close(product, network.product(x, tangent))
    assert product.requires_grad == with_gradients


@pytest.mark.parametrize("batch", [1, 3], ids=["shared", "own"])
def test_many_tangents_are_multiplied_at_once(batch: int) -> None:
    network, x, tangents = Ripple(), draw(3, 2, 4, 4), draw(5, batch, 2, 4, 4, seed=3)
    prepared = network.prepare(None, x)

    value, products = prepared.jvp_many(x, tangents, TIME)

    assert products.shape == (5, 3, 1, 4, 4)
    torch.testing.assert_close(value, prepared(x, TIME))
    torch.testing.assert_close(products, network.product(x, tangents))


def test_products_can_be_differentiated_by_parameters_and_images() -> None:
    network, x, tangents = Ripple(), draw(3, 2, 4, 4).requires_grad_(), draw(5, 1, 2, 4, 4, seed=3)
    weights = draw(5, 3, 1, 4, 4, seed=4)

    _, products = network.prepare(None, x).jvp_many(x, tangents, TIME)

    found = torch.autograd.grad((weights * products).sum(), [x, network.a])
    expected = torch.autograd.grad((weights * network.product(x, tangents)).sum(), [x, network.a])
    torch.testing.assert_close(found, expected)
    assert bool((found[0][:, 0] != 0).all())
