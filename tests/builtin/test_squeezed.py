"""The squeezed view: shapes stay, contributions move with their pixels, a context keeps its pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.builtin.squeezed import Squeezed, View, squeezed_view
from flowzoo.call import EVALUATION, Call
from flowzoo.traits import BijectorTraits
from tests.toys import OtherLoss


class DoubleFirst(ConditionalBijector):
    """Doubles the first channel, and notes the shape of the context."""

    traits = BijectorTraits(has_contributions=True)

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[int, ...]] = []

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        self.got.append(() if context is None else tuple(context.shape[1:]))
        z = torch.cat([2 * x[:, :1], x[:, 1:]], dim=1)
        return z, constant_log_det(x, x[0, 0].numel() * torch.tensor(2.0).log().item())

    def forward_with_contributions(
        self, x: Tensor, contributions: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        z, _ = self.forward(x, context, call)
        return z, torch.cat([contributions[:, :1] + torch.tensor(2.0).log(), contributions[:, 1:]], dim=1)

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return torch.cat([z[:, :1] / 2, z[:, 1:]], dim=1)


def test_the_first_squeezed_channel_is_the_upper_left_of_each_block() -> None:
    view = squeezed_view((1, 4, 4), None)
    assert view == View((4, 2, 2), None, False)
    assert view is not None
    bijector = Squeezed(DoubleFirst(), view)
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    expected = x.clone()
    expected[..., ::2, ::2] *= 2
    z, log_det = bijector(x)
    assert torch.equal(z, expected)
    torch.testing.assert_close(log_det, torch.full((2,), 4 * 0.6931472))
    assert torch.equal(bijector.inverse(z), x)
    same, contributions = bijector.forward_with_contributions(x, x)
    assert torch.equal(same, z)
    grown = torch.zeros(1, 4, 4)
    grown[..., ::2, ::2] = 0.6931472
    torch.testing.assert_close(contributions - x, grown.expand(2, 1, 4, 4))


def test_a_context_is_squeezed_unless_it_is_smaller_or_odd() -> None:
    assert squeezed_view((1, 4, 4), (3, 4, 4)) == View((4, 2, 2), (12, 2, 2), True)
    assert squeezed_view((1, 4, 4), (3, 8, 8)) == View((4, 2, 2), (12, 4, 4), True)
    assert squeezed_view((1, 4, 4), (3, 2, 2)) == View((4, 2, 2), (3, 2, 2), False)
    assert squeezed_view((1, 4, 4), (3, 4, 2)) == View((4, 2, 2), (3, 4, 2), False)
    assert squeezed_view((1, 4, 4), (3, 5, 5)) == View((4, 2, 2), (3, 5, 5), False)
    assert squeezed_view((1, 3, 4), (3, 4, 4)) is None


def test_the_bijector_gets_the_context_of_its_view() -> None:
    for context_shape in [(3, 4, 4), (3, 2, 2)]:
        view = squeezed_view((1, 4, 4), context_shape)
        assert view is not None
        inner = DoubleFirst()
        Squeezed(inner, view)(torch.zeros(2, 1, 4, 4), torch.zeros(2, *context_shape))
        assert inner.got == [view.context_shape]


def test_it_hands_on_the_loss_and_all_traits_but_pointwise() -> None:
    view = squeezed_view((1, 4, 4), None)
    assert view is not None
    bijector, x = Squeezed(OtherLoss(), view), torch.rand(2, 1, 4, 4)
    assert not bijector.traits.loss_is_likelihood
    torch.testing.assert_close(bijector.loss(x), OtherLoss().loss(x))
    inner = DoubleFirst()
    inner.traits = BijectorTraits(pointwise=True, has_contributions=True, takes_all_reals=False)
    assert Squeezed(inner, view).traits == BijectorTraits(has_contributions=True, takes_all_reals=False)
