from __future__ import annotations

import pytest

from flowzoo.errors import OptionError
from flowzoo.training.budget import Budget


@pytest.mark.parametrize(
    "given", [{}, {"steps": 1, "seconds": 1.0}, {"steps": 0}, {"seconds": -1.0}, {"seconds": float("nan")}]
)
def test_a_budget_is_one_positive_amount(given: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="budget"):
        Budget(**given)  # type: ignore[arg-type]


def test_shares_and_use() -> None:
    assert Budget(steps=10).share(1 / 3) == Budget(steps=3)
    assert Budget(steps=1).share(1 / 3) == Budget(steps=1)
    assert Budget(seconds=9.0).share(1 / 3) == Budget(seconds=3.0)
    assert Budget(steps=10).used(5, 1000.0) == 0.5
    assert Budget(seconds=10.0).used(1000, 5.0) == 0.5
    assert str(Budget(steps=10)) == "10 steps"
    assert str(Budget(seconds=1.5)) == "1.5 s"
