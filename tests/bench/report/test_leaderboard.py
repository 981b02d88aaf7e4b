"""What is ranked with what."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.report.leaderboard import Leaderboard, Report, make_report
from flowzoo.bench.result import DataFacts, Result, Spent
from flowzoo.bench.store import Results, identity
from flowzoo.component import Published
from flowzoo.errors import UnknownNameError
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CUDA, DIGITS, bits, failed, result


def report(*results: Result, suite: str | None = None) -> Report:
    return make_report(Results(tuple(results), (), 0, {identity(each): Path() for each in results}), suite)


def board(*results: Result) -> Leaderboard:
    (only,) = report(*results).boards
    return only


def ranking(made: Leaderboard) -> list[tuple[int | None, str]]:
    return [(each.rank, each.row.label) for each in made.ranked]


def test_the_lowest_bits_per_dim_come_first() -> None:
    assert ranking(board(result("a", 3.0), result("b", 2.0), result("c", 2.5))) == [
        (1, "b"),
        (2, "c"),
        (3, "a"),
    ]


def test_equal_figures_share_a_rank() -> None:
    made = board(result("a", 2.0), result("b", 2.0), result("c", 2.5))
    assert ranking(made) == [(1, "a"), (1, "b"), (3, "c")]


def test_the_floor_has_no_rank_and_marks_what_does_not_beat_it() -> None:
    made = board(result("gaussian", 2.4), result("good", 2.0), result("same", 2.4), result("bad", 2.6))
    assert ranking(made) == [(1, "good"), (None, "gaussian"), (2, "same"), (3, "bad")]
    assert [each.below_floor for each in made.ranked] == [False, False, True, True]


def test_a_gaussian_by_another_label_is_the_floor_too() -> None:
    made = board(result("closed form", 2.4, model="gaussian"), result("a", 2.5))
    assert ranking(made) == [(None, "closed form"), (1, "a")]


def test_an_invalid_likelihood_is_never_ranked() -> None:
    wrong = bits(0.5, valid=False, objections=("the solver errs",))
    made = board(result("honest", 3.0), result("wrong", metrics={"bits-per-dim": wrong}))
    assert ranking(made) == [(1, "honest")]
    assert [row.label for row in made.invalid] == ["wrong"]
    assert made.invalid[0].figures["bits-per-dim"].objections == ("the solver errs",)


def test_one_invalid_seed_spoils_the_mean() -> None:
    wrong = bits(0.5, valid=False, objections=("the solver errs",))
    made = board(result("a", 2.0, seed=0), result("a", seed=1, metrics={"bits-per-dim": wrong}))
    assert made.ranked == ()
    assert made.invalid[0].figures["bits-per-dim"].objections == ("seed 1: the solver errs",)


def test_a_row_without_a_likelihood_is_not_ranked() -> None:
    missing = bits(None, None, objections=("it took too long",))
    made = board(result("none"), result("failed", metrics={"bits-per-dim": missing}), result("a", 2.0))
    assert ranking(made) == [(1, "a")]
    assert [row.label for row in made.unranked] == ["failed", "none"]


def test_joint_bpd_stands_apart_and_does_not_rank() -> None:
    made = board(result("a", 2.0), result("b", metrics={"bits-per-dim": bits(2.5, joint=1.0)}))
    assert ranking(made) == [(1, "a"), (2, "b")]
    assert [(row.label, row.joint) for row in made.joint] == [("b", 1.0)]


def test_seeds_are_averaged_and_their_error_does_not_shrink() -> None:
    values, errors = (2.0, 2.3, 2.6), (0.01, 0.02, 0.03)
    cells = [
        result("a", seed=seed, metrics={"bits-per-dim": bits(value, error)})
        for seed, (value, error) in enumerate(zip(values, errors, strict=True))
    ]
    (each,) = board(*cells).ranked
    figure = each.row.figures["bits-per-dim"]
    assert figure.value == pytest.approx(sum(values) / 3)
    assert figure.error == pytest.approx(sum(errors) / 3)
    assert figure.spread == pytest.approx(math.sqrt((0.09 + 0.0 + 0.09) / 2))
    assert figure.seeds == 3
    assert "3 seeds, sd 0.300" in each.row.remarks


def test_an_unknown_error_of_one_seed_leaves_the_mean_without() -> None:
    cells = [
        result("a", seed=seed, metrics={"bits-per-dim": bits(2.0, error)})
        for seed, error in enumerate((0.1, None))
    ]
    assert board(*cells).ranked[0].row.figures["bits-per-dim"].error is None


def test_seeds_that_ran_with_other_options_are_not_averaged() -> None:
    made = board(
        result("a", 2.0, seed=0),
        result("a", 3.0, seed=1, options={"levels": 3}),
        result("b", 2.5, seed=0, spent=Spent({"steps": 5}, 5)),
        result("b", 2.5, seed=1, spent=Spent({"steps": 6}, 6)),
        result("c", 4.0, seed=0),
        result("c", 6.0, seed=1),
    )
    assert ranking(made) == [(1, "a"), (2, "b"), (2, "b"), (4, "a"), (5, "c")]
    assert made.ranked[0].row.remarks == ("seed 0 only: the others' options differ",)


def test_devices_and_precisions_are_rows_of_their_own() -> None:
    single = replace(CUDA, precision="float32")
    made = board(result("a", 2.0), result("a", 2.1, environment=CUDA), result("a", 2.2, environment=single))
    assert [made.name(each.row) for each in made.ranked] == [
        "a (cpu, float32)",
        "a (cuda, bfloat16)",
        "a (cuda, float32)",
    ]


@pytest.mark.parametrize(
    "other",
    [
        replace(DIGITS, revision="000000000000"),
        replace(DIGITS, shape=(1, 16, 16)),
        replace(DIGITS, bins=256),
        replace(DIGITS, name="other"),
    ],
)
def test_different_data_is_never_in_one_leaderboard(other: DataFacts) -> None:
    boards = report(result("a", 2.0), result("b", 1.0, data=other)).boards
    assert [[each.row.label for each in board.ranked] for board in boards] in ([["a"], ["b"]], [["b"], ["a"]])


def test_suites_are_apart_and_one_can_be_chosen() -> None:
    cells = result("a", 2.0), result("b", 2.0, suite="full")
    assert [each.suite for each in report(*cells).boards] == ["full", "quick"]
    assert [each.suite for each in report(*cells, suite="quick").boards] == ["quick"]
    with pytest.raises(UnknownNameError, match="no results of a suite 'quik'; did you mean 'quick'"):
        report(*cells, suite="quik")


def test_failures_stand_with_the_rows_of_the_same_data() -> None:
    unloaded = failed("b", data=DataFacts("digits"), environment=None)
    made = board(result("a", 2.0, seed=0), failed("a", seed=1), unloaded)
    assert ranking(made) == [(1, "a")]
    assert made.ranked[0].row.remarks == ("1 of 2 seeds failed",)
    assert [row.label for row in made.failed] == ["b"]


def test_where_every_cell_failed_there_is_still_a_leaderboard() -> None:
    made = report(failed("a", data=DataFacts("digits"), environment=None))
    assert [row.label for row in made.boards[0].failed] == ["a"]
    assert (made.cells, made.failed) == (1, 1)


def test_unequal_terms_are_noted() -> None:
    def measured(images: int) -> dict[str, Measurement]:
        return {"bits-per-dim": bits(2.0, conditions={"images": images, "draws": 1})}

    (note,) = board(result("a", metrics=measured(300)), result("b", metrics=measured(100))).notes
    assert "images differ between rows (100, 300)" in note
    assert board(result("a", metrics=measured(300)), result("b", metrics=measured(300))).notes == ()


def test_other_metrics_are_columns_sorted_by_name() -> None:
    third = {"zeal": Measurement(1.0, "z"), "acme-score": Measurement(2.0, "points", "higher")}
    assert board(result("a", 2.0, metrics=third)).metrics == (
        "bits-per-dim",
        "parameters",
        "training-seconds",
        "acme-score",
        "zeal",
    )


def test_a_published_figure_is_stated_once_and_never_ranked() -> None:
    paper = Published("CIFAR-10", 1.0, "A paper")
    made = board(result("a", 2.0, seed=0, published=(paper,)), result("a", 2.0, seed=1, published=(paper,)))
    assert made.ranked[0].row.published == (paper,)
    assert len(made.ranked) == 1
