"""Shares of a matrix's log-determinant: their sum, what they pass on, and their gradient."""

from __future__ import annotations

import torch

from flowzoo.builtin.linear_contributions import linear_contributions


def matrix(seed: int) -> torch.Tensor:
    return torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_shares_sum_to_the_log_determinant_and_earlier_ones_are_kept() -> None:
    weight = matrix(0)
    own, carry = linear_contributions(weight)
    torch.testing.assert_close(own.sum(), torch.linalg.slogdet(weight).logabsdet)
    torch.testing.assert_close(carry.sum(0), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(carry.sum(1), torch.ones(5, dtype=torch.float64))


def test_the_gradient_of_the_sum_is_that_of_the_log_determinant_even_of_a_rotation() -> None:
    for weight in (matrix(1), torch.linalg.qr(matrix(2))[0]):
        weight.requires_grad_()
        own, carry = linear_contributions(weight)
        (own.sum() + (carry @ torch.arange(5.0).double()).sum()).backward()
        torch.testing.assert_close(weight.grad, torch.linalg.inv(weight.detach()).T)
