from __future__ import annotations

import math

import pytest

from flowzoo.discrepancy import describe_discrepancy

TRUE = [3.1, -1.7, 0.4]


@pytest.mark.parametrize(
    ("factor", "phrase"),
    [
        (-1.0, "sign"),
        (0.0, "always 0"),
        (0.5, "factor of 0.5"),
        (2.0, "factor of 2"),
        (1.0 / math.log(2.0), "bits instead of nats"),
        (math.log(2.0), "log 2"),
        (0.25, "factor of 0.25"),
        (-0.5, "factor of -0.5"),
        (3.0, "factor of 3"),
    ],
)
def test_names_a_factor(factor: float, phrase: str) -> None:
    noisy = [factor * each + 1e-6 for each in TRUE]
    assert phrase in describe_discrepancy(noisy, TRUE)


def test_names_a_constant_and_its_size() -> None:
    assert "+0.75 nats" in describe_discrepancy([each + 0.75 for each in TRUE], TRUE)


def test_names_a_mean_over_the_values() -> None:
    assert "mean" in describe_discrepancy([each / 48 for each in TRUE], TRUE, values=48)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], []),
        (TRUE, TRUE),
        ([math.nan, 1.0], [1.0, 2.0]),
        ([1.0, math.inf], [1.0, 2.0]),
        ([1.3, 2.0, -4.0], TRUE),
        ([1.3], [2.9]),  # one number is explained by any factor, so by none
        ([1.9, 1.9], [1.3, 1.3]),
    ],
)
def test_says_nothing_where_nothing_simple_explains_it(found: list[float], expected: list[float]) -> None:
    assert describe_discrepancy(found, expected) == ""


def test_one_image_is_enough_for_a_usual_mistake() -> None:
    assert describe_discrepancy([-2.0], [2.0]) == "the sign is wrong"


def test_a_small_change_of_one_of_many_parts_is_no_sign() -> None:
    assert describe_discrepancy([2.9, -1.9, 0.1], [3.1, -1.7, 0.35]) == ""
