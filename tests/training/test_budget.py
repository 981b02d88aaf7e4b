from __future__ import annotations

from typing import Any

import pytest

from flowzoo.errors import OptionError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.parse import parse_experiment


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"steps": 1, "seconds": 1.0},
        {"steps": 0},
        {"seconds": -1.0},
        {"seconds": float("nan")},
        {"seconds": True},
        {"seconds": "60"},
        {"steps": 10**26},
        {"seconds": 1e300},
        {"seconds": 10**400},
        {"seconds": float("inf")},
    ],
)
def test_a_budget_is_one_positive_amount(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="budget"):
        Budget(**given)


@pytest.mark.parametrize(
    ("steps", "shares", "expected"),
    [
        (10, [1 / 3] * 3, [4, 3, 3]),
        (10, [0.1, 0.9], [1, 9]),
        (10, [0.25, 0.75], [3, 7]),
        (11, [1 / 3] * 3, [4, 4, 3]),
        (2, [0.1, 0.9], [1, 1]),
        (10, [0.01, 0.01, 0.98], [1, 1, 8]),
        (7, [0.3, 1 / 30] * 3, [1, 1, 1, 1, 2, 1]),
        (12, [0.1, 0.9], [1, 11]),
        (12, [], []),
        (2**53, [0.25, 0.75], [2**51, 3 * 2**51]),
    ],
)
def test_stages_share_all_steps_and_each_gets_one_or_more(
    steps: int, shares: list[float], expected: list[int]
) -> None:
    assert sum(expected) == steps or not shares
    assert [each.steps for each in Budget(steps=steps).divide(shares)] == expected


def test_seconds_are_divided_as_they_are() -> None:
    assert Budget(seconds=9.0).divide([1 / 3, 2 / 3]) == [Budget(seconds=3.0), Budget(seconds=6.0)]


@pytest.mark.parametrize("images", [True, "100", 1.5, 0, 10**30])
def test_a_number_of_images_is_an_integer(images: object) -> None:
    with pytest.raises(OptionError, match="budget in"):
        Budget.parse({"images": images}, batch_size=64)


@pytest.mark.parametrize("seed", [False, "", 0.0])
def test_a_seed_of_zero_is_an_integer(seed: object) -> None:
    given = {"model": "gaussian", "data": "digits", "budget": {"steps": 1}}
    assert parse_experiment(given).seed == 0
    with pytest.raises(OptionError, match="seed"):
        parse_experiment({**given, "seed": seed})


def test_use() -> None:
    assert Budget(steps=10).used(5, 1000.0) == 0.5
    assert Budget(seconds=10.0).used(1000, 5.0) == 0.5
    assert str(Budget(steps=10)) == "10 steps"
    assert str(Budget(seconds=1.5)) == "1.5 s"
