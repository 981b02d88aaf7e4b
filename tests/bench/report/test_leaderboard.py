"""What is ranked with what."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.report.blocks import arrow_of, blocks
from flowzoo.bench.report.leaderboard import (
    FAILED,
    INVALID,
    OTHER,
    UNMEASURED,
    Leaderboard,
    Report,
    make_report,
)
from flowzoo.bench.result import DataFacts, Result
from flowzoo.bench.store import Results, identity
from flowzoo.component import Published
from flowzoo.errors import UnknownNameError
from flowzoo.exactness import Exactness
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.training_options import TrainingOptions
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


@pytest.mark.parametrize(
    ("train", "value", "said"),
    [
        (100, 2.4, ["gaussian: a weak floor: it was fitted to only 100 images of 64 dimensions"]),
        (1347, 5.0, ["gaussian: worse than uniform noise, which has 4.087"]),
        (1347, 2.4, []),
    ],
)
def test_a_floor_that_is_worth_little_is_noted(train: int, value: float, said: list[str]) -> None:
    data = replace(DIGITS, sizes={**DIGITS.sizes, "train": train})
    made = board(result("gaussian", value, data=data), result("good", 2.0, data=data))
    assert list(made.notes) == said


def test_a_gaussian_by_another_label_is_the_floor_too() -> None:
    made = board(result("closed form", 2.4, model="gaussian"), result("a", 2.5))
    assert ranking(made) == [(None, "closed form"), (1, "a")]


def test_an_invalid_likelihood_is_never_ranked() -> None:
    wrong = bits(0.5, valid=False, objections=("the solver errs",))
    made = board(result("honest", 3.0), result("wrong", metrics={"bits-per-dim": wrong}))
    assert ranking(made) == [(1, "honest")]
    assert [row.label for row in made.apart[INVALID]] == ["wrong"]
    assert made.apart[INVALID][0].figures["bits-per-dim"].objections == ("the solver errs",)


def test_one_invalid_seed_spoils_the_mean() -> None:
    wrong = bits(0.5, valid=False, objections=("the solver errs",))
    made = board(result("a", 2.0, seed=0), result("a", seed=1, metrics={"bits-per-dim": wrong}))
    assert made.ranked == ()
    assert made.apart[INVALID][0].figures["bits-per-dim"].objections == ("seed 1: the solver errs",)


def test_a_row_without_a_likelihood_is_not_ranked() -> None:
    missing = bits(None, None, objections=("it took too long",))
    made = board(result("none"), result("failed", metrics={"bits-per-dim": missing}), result("a", 2.0))
    assert ranking(made) == [(1, "a")]
    assert [row.label for row in made.apart[UNMEASURED]] == ["failed", "none"]


def test_joint_bpd_stands_apart_and_does_not_rank() -> None:
    made = board(result("a", 2.0), result("b", metrics={"bits-per-dim": bits(2.5, joint=1.0)}))
    assert ranking(made) == [(1, "a"), (2, "b")]
    assert [(row.label, row.joint) for row in made.rows] == [("a", None), ("b", 1.0)]


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
        result("b", 2.5, seed=0, budget=Budget(steps=5)),
        result("b", 2.5, seed=1, budget=Budget(steps=6)),
        result("c", 4.99, seed=0),
        result("c", 5.01, seed=1),
    )
    assert ranking(made) == [(1, "a"), (2, "b"), (2, "b"), (4, "a"), (5, "c")]
    assert made.ranked[0].row.remarks == ("only seed 0",)
    assert any(note.startswith("seeds of a, b ran or were measured differently") for note in made.notes)


def test_devices_and_precisions_are_ranked_apart_and_have_floors_of_their_own() -> None:
    single = replace(CUDA, precision="float32")
    boards = report(
        result("a", 2.0),
        result("gaussian", 2.5),
        result("a", 2.1, environment=CUDA),
        result("b", 2.05, environment=CUDA),
        result("gaussian", 2.08, environment=CUDA),
        result("a", 2.6, environment=single),
    ).boards
    assert [each.platform for each in boards] == [
        ("cpu", "float32"),
        ("cuda", "bfloat16"),
        ("cuda", "float32"),
    ]
    assert [ranking(each) for each in boards] == [
        [(1, "a"), (None, "gaussian")],
        [(1, "b"), (None, "gaussian"), (2, "a")],
        [(1, "a")],
    ]
    assert [[each.below_floor for each in board.ranked] for board in boards] == [
        [False, False],
        [False, False, True],
        [False],
    ]
    assert boards[1].heading == "quick · digits · cuda, bfloat16"
    assert boards[1].title == "quick · digits 1a2b3c4d5e6f · 1x8x8, 17 bins · cuda, bfloat16"


def test_headings_say_no_more_than_it_takes_to_tell_leaderboards_apart() -> None:
    one = report(result("a", 2.0), result("a", 2.0, suite="full")).boards
    assert [each.heading for each in one] == ["full · digits", "quick · digits"]
    assert "cpu" not in one[0].title
    other = replace(DIGITS, revision="ffff", bins=256)
    two = report(result("a", 2.0), result("a", 2.0, data=other)).boards
    assert [each.heading for each in two] == [
        "quick · digits 1a2b3c4d5e6f · 1x8x8, 17 bins",
        "quick · digits ffff · 1x8x8, 256 bins",
    ]


def test_a_failure_on_an_unknown_device_joins_the_leaderboard_of_its_other_seeds() -> None:
    boards = report(
        result("b", 2.0),
        result("a", 2.0, environment=CUDA),
        failed("a", seed=1, environment=None),
    ).boards
    assert [[row.label for row in each.rows] for each in boards] == [["b"], ["a"]]
    assert boards[1].rows[0].remarks == ("1 of 2 seeds failed",)


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
    with pytest.raises(UnknownNameError, match=r"quik.*'quick'\?.*full, quick"):
        report(*cells, suite="quik")
    with pytest.raises(UnknownNameError, match=r"zzz.*full, quick"):
        report(*cells, suite="zzz")


def test_failures_stand_with_the_rows_of_the_same_data() -> None:
    unloaded = failed("b", data=DataFacts("digits"), environment=None)
    made = board(result("a", 2.0, seed=0), failed("a", seed=1), unloaded)
    assert ranking(made) == [(1, "a")]
    assert made.ranked[0].row.remarks == ("1 of 2 seeds failed",)
    assert [row.label for row in made.apart[FAILED]] == ["b"]


def test_where_every_cell_failed_there_is_still_a_leaderboard() -> None:
    made = report(failed("a", data=DataFacts("digits"), environment=None))
    assert [row.label for row in made.boards[0].apart[FAILED]] == ["a"]
    assert (made.cells, made.failed) == (1, 1)


def on(value: float = 2.0, **conditions: object) -> dict[str, Measurement]:
    given = {"split": "test", "images": 300, "dequantisation": "uniform", **conditions}
    return {"bits-per-dim": bits(value, conditions=given)}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"images": 100}, "images: 100, not 300"),
        ({"split": "train"}, "split: train, not test"),
    ],
)
def test_other_images_are_never_ranked_with_the_rest(other: dict[str, object], reason: str) -> None:
    made = board(
        result("a", metrics=on()),
        result("b", metrics=on(1.0, **other)),
        result("c", metrics=on(3.0)),
        result("gaussian", metrics=on(0.5, **other)),
    )
    assert ranking(made) == [(1, "a"), (2, "c")]
    assert [(row.label, made.other_conditions(row)) for row in made.apart[OTHER]] == [
        ("b", reason),
        ("gaussian", reason),
    ]
    assert not any(each.below_floor for each in made.ranked)


def test_another_unit_is_never_ranked_with_the_rest() -> None:
    nats = {"bits-per-dim": replace(bits(90.0, None), unit="nats")}
    made = board(result("a", 2.0), result("b", 3.0), result("c", metrics=nats))
    assert [made.other_conditions(row) for row in made.apart[OTHER]] == ["unit: nats, not bits/dim"]
    alone = board(result("c", metrics=nats))
    assert (alone.ranked, [row.label for row in alone.apart[OTHER]]) == ((), ["c"])


def test_the_test_split_is_ranked_even_where_it_is_the_rarer() -> None:
    train = [result(label, metrics=on(split="train")) for label in ("a", "b")]
    made = board(*train, result("c", metrics=on(2.5)))
    assert ranking(made) == [(1, "c")]
    assert ranking(board(*train)) == [(1, "a"), (1, "b")]


def test_where_as_many_rows_are_on_other_images_the_floor_s_count_then_the_most() -> None:
    rows = result("a", metrics=on()), result("b", metrics=on(images=10))
    assert ranking(board(*rows)) == [(1, "a")]
    assert ranking(board(*rows, result("gaussian", metrics=on(3.0, images=10)))) == [
        (1, "b"),
        (None, "gaussian"),
    ]


def test_seeds_on_other_images_are_not_averaged() -> None:
    made = board(
        result("a", seed=0, metrics=on(2.0)),
        result("a", seed=1, metrics=on(1.0, images=10)),
        result("a", seed=2, metrics=on(2.2)),
    )
    assert [each.row.figures["bits-per-dim"].value for each in made.ranked] == [pytest.approx(2.1)]
    assert made.ranked[0].row.remarks[0] == "only seeds 0, 2"
    assert [row.remarks for row in made.apart[OTHER]] == [("only seed 1",)]


def test_draws_and_traces_of_any_seed_are_noted() -> None:
    made = board(
        result("a", metrics=on(draws=1, trace="")),
        result("b", seed=0, metrics=on(draws=1, trace="exact")),
        result("b", seed=1, metrics=on(draws=5, trace="hutchinson")),
    )
    assert made.notes == (
        "not on equal terms: draws of bits-per-dim differ between rows (1; 5)",
        "not on equal terms: trace of bits-per-dim differs between rows (exact; hutchinson)",
    )
    assert board(result("a", metrics=on(draws=1)), result("b", metrics=on(draws=1))).notes == ()


def test_budgets_are_noted_with_their_range_and_the_floor_s_does_not_count() -> None:
    cells = [result(str(steps), 2.0, budget=Budget(steps=steps)) for steps in (160, 500, 1000)]
    floor = result("gaussian", 2.5, budget=Budget(steps=5))
    assert board(*cells, floor).notes == ("not on equal terms: trainings of 160 to 1,000 steps",)
    mixed = board(cells[0], result("a", 2.0, budget=Budget(seconds=60.0)))
    assert mixed.notes == ("not on equal terms: trainings of 60 seconds or 160 steps",)


def test_targets_of_their_own_do_not_compare() -> None:
    def reached(target: float) -> dict[str, Measurement]:
        return {"time-to-bpd": Measurement(9.0, "s", "lower", conditions={"bits_per_dim": target})}

    own = board(result("a", 2.0, metrics=reached(2.1)), result("b", 2.0, metrics=reached(2.2)))
    assert own.own_targets == {"time-to-bpd"}
    assert arrow_of(own, "time-to-bpd") == ""
    assert own.notes == ("time-to-bpd: each row has a target of its own, so these figures do not compare",)
    same = board(result("a", 2.0, metrics=reached(2.1)), result("b", 2.0, metrics=reached(2.1)))
    assert (same.own_targets, arrow_of(same, "time-to-bpd"), same.notes) == (set(), "↓", ())


def test_speeds_of_different_parts_of_training_are_noted() -> None:
    def speed(stage: str, phase: str = "") -> dict[str, Measurement]:
        return {
            "train-speed": Measurement(9.0, "images/s", "higher", conditions={"stage": stage, "phase": phase})
        }

    made = board(
        result("glow", 2.0, metrics=speed("all levels")),
        result("pnf", 2.0, metrics=speed("all levels")),
        result("rnode, steer", 2.0, metrics=speed("all levels, likelihood", "likelihood")),
        result("unmeasured", 2.0),
    )
    assert made.notes == (
        "train-speed is of different parts of training: "
        "likelihood for 'rnode, steer'; all levels for the rest",
    )


def test_a_bound_and_an_estimate_say_so() -> None:
    def worth(exactness: Exactness, estimated: bool) -> dict[str, Measurement]:
        (measured,) = on(draws=8, trace="hutchinson", proposal="K=3").values()
        return {"bits-per-dim": replace(measured, exactness=exactness, estimated=estimated)}

    made = board(
        result("a", metrics=worth(Exactness.BOUND, estimated=True)),
        result("b", metrics=worth(Exactness.EXACT, estimated=False)),
        result("c", metrics=worth(Exactness.UNBIASED, estimated=True)),
    )
    assert [each.row.remarks for each in made.ranked] == [("bound, K=8",), (), ()]
    assert [each.row.estimated for each in made.ranked] == [True, False, True]


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


def test_labels_of_data_sets_are_leaderboards_of_their_own() -> None:
    small, large = (replace(DIGITS, label=label) for label in ("digits, affine", "digits, logit"))
    boards = report(
        result("a", 2.0, data=small), result("a", 3.0, data=large), result("b", 2.5, data=small)
    ).boards
    assert [each.heading for each in boards] == ["quick · digits, affine", "quick · digits, logit"]
    assert [ranking(each) for each in boards] == [[(1, "a"), (2, "b")], [(1, "a")]]
    assert identity(result("a", data=small)) != identity(result("a", data=large))


def test_other_noise_is_ranked_with_the_rest_and_shown() -> None:
    made = board(result("a", metrics=on()), result("b", metrics=on(1.0, dequantisation="variational")))

    assert ranking(made) == [(1, "b"), (2, "a")]
    assert made.ranked[0].row.remarks == ("noise: variational",)
    assert made.ranked[1].row.remarks == ()
    assert any("dequantisation" in note for note in made.notes)


def test_seeds_from_before_there_was_other_noise_are_averaged_with_later_ones() -> None:
    uniform = {"levels": 2, "dequantisation": {"name": "uniform"}}
    other = {"levels": 2, "dequantisation": {"name": "variational"}}
    made = board(result("a", 2.0), result("a", 3.0, seed=1, options=uniform))
    apart = board(result("a", 2.0), result("a", 3.0, seed=1, options=other))

    assert [row.bits for row in made.rows] == [2.5]
    assert len(apart.rows) == 2


def test_seeds_from_before_an_option_was_added_are_averaged_with_later_ones() -> None:
    noise = {"dequantisation": {"name": "uniform"}}
    new = {"levels": 2, **noise, "classes": 0, "class_dropout": 0.1}
    later = TrainingOptions(clock="wall", accumulate=1)
    made = board(result("a", 2.0), result("a", 3.0, seed=1, options=new, training=later))
    apart = board(result("a", 2.0), result("a", 3.0, seed=1, options={**new, "classes": 10}))
    assert [row.bits for row in made.rows] == [2.5]
    assert len(apart.rows) == 2


def test_rows_of_an_older_revision_of_the_suite_stand_apart() -> None:
    made = board(
        result("a", 1.0, suite_revision="old", date="2026-01-01T00:00:00+00:00"),
        result("b", 2.0, suite_revision="new", date="2026-02-01T00:00:00+00:00"),
        result("gaussian", 3.0, suite_revision="new", date="2026-01-15T00:00:00+00:00"),
    )
    assert ranking(made) == [(1, "b"), (None, "gaussian")]
    assert [row.label for row in made.apart["superseded"]] == ["a"]
    assert any("older revision of the suite" in block.title for block in blocks(made, ()))


def test_how_a_row_was_tuned_is_a_note() -> None:
    made = board(result("a", 1.0, tuning="three rates, on validation images"))
    assert "a was tuned: three rates, on validation images" in made.notes
