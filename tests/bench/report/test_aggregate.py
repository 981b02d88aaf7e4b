"""The models of a suite over all of its data sets."""

from __future__ import annotations

from dataclasses import replace

from flowzoo.bench.report.aggregate import aggregates
from flowzoo.bench.report.leaderboard import make_report
from flowzoo.bench.report.markdown import markdown
from flowzoo.bench.result import Result
from flowzoo.bench.store import Results
from tests.bench.report.made_up import DIGITS, result

CLOTHES = replace(DIGITS, name="clothes", revision="abc")


def report(*cells: Result):
    return make_report(Results(cells, (), 0, {}))


def test_mean_ranks_and_wins_are_of_models_that_are_ranked_on_all_data_sets() -> None:
    made = report(
        result("a", 2.0),
        result("b", 2.5),
        result("c", 3.0),
        result("gaussian", 4.0),
        result("a", 3.6, data=CLOTHES),
        result("b", 3.1, data=CLOTHES),
        result("d", 1.0, data=CLOTHES),
    )
    (block,) = aggregates(made)
    assert [each.name for each in block.columns] == [
        "model",
        "mean rank",
        "wins",
        "rank on clothes",
        "rank on digits",
    ]
    assert block.rows == (("a", "2.00", "1", "3", "1"), ("b", "2.00", "0", "2", "2"))
    assert "not ranked on all of them: c, d" in block.title
    assert "mean rank" in markdown(made)


def test_one_data_set_is_no_aggregate() -> None:
    assert list(aggregates(report(result("a", 2.0), result("b", 3.0)))) == []
    assert list(aggregates(report(result("a", 2.0), result("a", 2.0, suite="other", data=CLOTHES)))) == []
