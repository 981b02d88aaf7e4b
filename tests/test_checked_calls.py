from __future__ import annotations

import jaxtyping
import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from tests import checked_calls


@jaxtyping.jaxtyped(typechecker=checked_calls.first_calls)
def rows(x: Float[Tensor, "n d"]) -> int:
    return len(x)


def test_the_first_calls_are_checked_and_later_ones_are_not() -> None:
    vector = torch.zeros(3)
    checked_calls.allow(3)  # parameters and result of one call, and parameters of another
    assert rows(torch.zeros(2, 3)) == 2

    with pytest.raises(TypeCheckError):
        rows(vector)
    assert rows(vector) == 3

    checked_calls.allow(1)
    with pytest.raises(TypeCheckError):
        rows(vector)


def test_a_test_starts_with_checks() -> None:
    with pytest.raises(TypeCheckError):
        rows(torch.zeros(3))
