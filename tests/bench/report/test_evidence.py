"""Ranks by evidence: paired differences, Holm's correction, seeds as an outer level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from flowzoo.bench.kept_bits import KeptBits
from flowzoo.bench.report.evidence import LEVEL, Difference, Sample, clear, difference, differences
from flowzoo.bench.report.ranking import rank
from flowzoo.bench.report.row import rows_of
from flowzoo.bench.result import Result
from flowzoo.evaluation.image_conditions import ImageConditions
from tests.bench.report.made_up import bits, result

CONDITIONS = ImageConditions("test", "images", 17, 0, 1, "", "weights")


def sample(*seeds: NDArray[np.float64], kept: bool = True) -> Sample:
    means = tuple(float(each.mean()) for each in seeds)
    errors = tuple(float(each.std(ddof=1)) / math.sqrt(len(each)) for each in seeds)
    return Sample(means, errors, tuple(KeptBits(each, CONDITIONS) for each in seeds) if kept else ())


def images(count: int = 400, seed: int = 0) -> NDArray[np.float64]:
    """Return the difficulties of images, which all models share."""
    return np.random.default_rng(seed).normal(3.0, 1.0, count)


def test_a_difference_on_the_same_images_is_known_better_than_either_figure() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.02, (2, 400))
    first, second = images() + noise[0], images() + 0.01 + noise[1]

    paired = difference(sample(first), sample(second))
    apart = difference(sample(first, kept=False), sample(second, kept=False))

    assert (paired.paired, apart.paired) == (True, False)
    assert paired.mean == pytest.approx(float((first - second).mean()))
    assert paired.error == pytest.approx(float((first - second).std(ddof=1)) / 20.0)
    assert apart.error == pytest.approx(math.hypot(first.std(ddof=1), second.std(ddof=1)) / 20.0)
    assert paired.probability < 1e-6 < 0.5 < apart.probability


def test_bits_of_other_images_are_not_paired() -> None:
    other = Sample((3.0,), (0.1,), (KeptBits(images(), ImageConditions("test", "others", 17, 0, 1, "", "")),))
    assert not difference(sample(images()), other).paired
    assert not difference(sample(images()), sample(images(300))).paired


def test_seeds_are_an_outer_level() -> None:
    one = [images() + shift for shift in (0.0, 0.03, 0.06)]
    other = [images() + 0.05 + shift for shift in (0.0, 0.03, 0.06)]
    found = difference(sample(*one), sample(*other))

    assert found.mean == pytest.approx(-0.05)
    assert found.error == pytest.approx(math.sqrt(2 * 0.03**2 / 3))  # the images differ by nothing


def test_an_unknown_error_leaves_the_figures_to_decide() -> None:
    found = difference(Sample((2.0,), (None,)), Sample((2.1,), (0.1,)))
    assert found == Difference(pytest.approx(-0.1), None, paired=False)
    assert found.probability == 0.0
    assert difference(Sample((2.0,), (None,)), Sample((2.0,), (None,))).probability == 1.0


def chance(probability: float) -> Difference:
    """Return a difference that has this probability between equal rows."""
    low, high = 0.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) > probability else (low, middle)
    return Difference(low, 1.0, paired=True)


def test_holm_s_correction_takes_one_step_after_another() -> None:
    # Of four, the smallest must be below LEVEL / 4, the next below LEVEL / 3; the third stops the rest.
    shares = {(0, 1): 0.2, (0, 2): 0.3, (1, 2): 0.6, (0, 3): 0.9}
    found = {pair: chance(share * LEVEL) for pair, share in shares.items()}
    assert clear(found) == {(0, 1), (0, 2)}
    assert clear({(0, 1): chance(0.9 * LEVEL)}) == {(0, 1)}
    assert clear({(0, 1): chance(1.1 * LEVEL)}) == set()


def ranked(cells: Sequence[tuple[str, NDArray[np.float64]]]) -> list[tuple[int | None, str, int | None]]:
    kept = {name: KeptBits(values, CONDITIONS) for name, values in cells}
    results = [
        result(name, metrics={"bits-per-dim": bits(float(values.mean()), 0.05)}) for name, values in cells
    ]

    def find(cell: Result) -> KeptBits:
        return kept[cell.label]

    return [(each.rank, each.row.label, each.by_value) for each in rank(rows_of(results), find).ranked]


def test_rows_that_do_not_clearly_differ_share_a_rank() -> None:
    noise = np.random.default_rng(2).normal(0.0, 0.05, (3, 400))
    base = images()
    close = [("a", base + noise[0]), ("b", base + 0.001 + noise[1]), ("c", base + 0.1 + noise[2])]

    found = ranked(close)

    assert {name: place for place, name, _ in found} == {"a": 1, "b": 1, "c": 3}
    assert sorted(by_value for _, _, by_value in found if by_value is not None) == [1, 2, 3]


def test_a_row_that_differs_clearly_from_none_does_not_stand_before_better_ones() -> None:
    def cells(name: str, *values: float) -> list[Result]:
        return [result(name, value, seed=seed) for seed, value in enumerate(values)]

    rows = rows_of([*cells("a", 2.0, 2.0), *cells("b", 2.1, 2.1), *cells("c", 1.8, 2.6)])
    assert [(each.rank, each.row.label) for each in rank(rows).ranked] == [(1, "a"), (2, "b"), (2, "c")]


def test_the_floor_has_no_rank_and_is_not_compared() -> None:
    base = images()
    found = ranked([("gaussian", base + 0.5), ("a", base), ("b", base + 1.0)])
    assert found == [(1, "a", 1), (None, "gaussian", None), (2, "b", 2)]


def test_intervals_cover_the_difference_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    trials, covered, apart_covered = 2000, 0, 0
    for _ in range(trials):
        base = random.gamma(4.0, 0.5, 200)  # skewed, as difficulties of images are
        first = base + random.normal(0.0, 0.1, 200)
        second = 1.02 * base + random.normal(0.0, 0.1, 200)
        true = -0.02 * 2.0
        paired = difference(sample(first), sample(second))
        apart = difference(sample(first, kept=False), sample(second, kept=False))
        assert paired.error is not None
        assert apart.error is not None
        covered += abs(paired.mean - true) <= 1.96 * paired.error
        apart_covered += abs(apart.mean - true) <= 1.96 * apart.error
    assert covered / trials == pytest.approx(0.95, abs=0.015)
    assert apart_covered / trials > 0.999  # in quadrature, errors are far too large


def test_equal_models_are_seldom_told_apart_in_a_whole_table() -> None:
    random = np.random.default_rng(4)
    trials, wrong = 300, 0
    for _ in range(trials):
        base = random.normal(3.0, 1.0, 200)
        rows = [sample(base + random.normal(0.0, 0.1, 200)) for _ in range(6)]
        wrong += bool(clear(differences(rows)))
    assert wrong / trials < 2 * LEVEL


def test_every_two_rows_are_compared_once() -> None:
    rows = [sample(images(seed=seed)) for seed in range(4)]
    assert set(differences(rows)) == {
        (one, other) for one, other in product(range(4), repeat=2) if one < other
    }
