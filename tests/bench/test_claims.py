"""Verdicts on claims: what an interval must exclude, and how often they are wrong by chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from flowzoo.bench.claims import Verdict, verdicts
from flowzoo.bench.result import Result
from flowzoo.bench.suite import SuiteError, parse_suite
from flowzoo.bench.suites import find_suite
from flowzoo.cli.app import app
from flowzoo.metric import Measurement
from tests.bench.report.made_up import bits, result, write

SUITE: dict[str, Any] = {
    "summary": "For the tests",
    "models": ["glow", "realnvp"],
    "data": ["digits"],
    "budget": {"steps": 1},
    "metrics": ["bits-per-dim", "time-to-bpd"],
}


def judged(claim: dict[str, Any], *results: Result) -> Verdict:
    """Return the verdict on one claim of glow against realnvp."""
    whole = {"claim": "better", "row": "glow", "than": "realnvp", **claim}
    (found,) = verdicts(parse_suite("quick", {**SUITE, "claims": [whole]}), results, lambda each: None)
    return found


def seconds(label: str, *values: float) -> list[Result]:
    """Return cells of several seeds that took these times."""
    return [
        result(label, 2.0, seed=seed, metrics={"time-to-bpd": Measurement(value, "s", "lower")})
        for seed, value in enumerate(values)
    ]


def test_bits_are_judged_by_their_errors() -> None:
    def of(glow: float) -> str:
        rows = (
            result(name, value, seed=seed)
            for seed in (0, 1)
            for name, value in (("glow", glow), ("realnvp", 2.0))
        )
        return judged({}, *rows).outcome

    # Errors of 0.01 each make one of 0.0141, and two of these are 0.028.
    assert [of(1.97), of(1.975), of(2.0), of(2.025), of(2.03)] == [
        "reproduced",
        "undecided",
        "undecided",
        "undecided",
        "contradicted",
    ]


def test_a_claim_may_be_about_the_larger_figure_or_a_margin() -> None:
    rows = [result(*each, seed=seed) for seed in (0, 1) for each in (("glow", 2.1), ("realnvp", 2.0))]
    assert judged({"is_lower": False}, *rows).outcome == "reproduced"
    assert judged({}, *rows).outcome == "contradicted"
    assert judged({"margin": 0.2}, *rows).outcome == "reproduced"
    assert judged({"is_lower": False, "margin": -0.2}, *rows).outcome == "contradicted"


def test_other_figures_are_compared_seed_by_seed() -> None:
    claim = {"metric": "time-to-bpd"}
    found = judged(claim, *seconds("glow", 10.0, 20.0, 30.0), *seconds("realnvp", 12.0, 22.5, 31.5))
    assert found.difference == pytest.approx(-2.0)
    # The differences -2, -2.5 and -1.5 have the standard error 0.5 / sqrt(3), and reach 4.72 times that.
    reach = 4.72 * 0.5 / 3**0.5
    assert found.interval == pytest.approx((-2 - reach, -2 + reach), rel=0.01)
    assert found.outcome == "reproduced"
    assert found.seeds == (0, 1, 2)
    assert judged(claim, *seconds("glow", 10.0, 20.0), *seconds("realnvp", 12.0, 19.0)).outcome == "undecided"
    alone = judged(claim, *seconds("glow", 1.0), *seconds("realnvp", 9.0))
    assert (alone.outcome, alone.reason) == ("undecided", "one seed, and no spread is known")


def test_what_is_not_measured_says_what_is_missing() -> None:
    found = judged({"metric": "time-to-bpd"}, result("glow", 2.0), *seconds("realnvp", 1.0))
    assert (found.outcome, found.reason) == ("not measured", "no figure of glow")
    apart = judged({}, result("glow", 2.0, seed=1), result("realnvp", 2.0, seed=2))
    assert (apart.outcome, apart.reason) == ("not measured", "no seed that both rows have")


def test_one_seed_decides_nothing() -> None:
    found = judged({}, result("glow", 1.0), result("realnvp", 2.0))
    assert found.outcome == "undecided"
    assert found.interval is not None
    assert "one seed" in found.reason


def test_a_figure_that_is_not_valid_decides_nothing() -> None:
    late = Measurement(3.0, "s", "lower", valid=False)
    rows = [result("glow", seed=seed, metrics={"time-to-bpd": late}) for seed in (0, 1)]
    assert judged({"metric": "time-to-bpd"}, *rows, *seconds("realnvp", 9.0, 9.5)).outcome == "not measured"


def test_few_seeds_widen_the_interval_of_bits() -> None:
    generator = np.random.default_rng(1)

    def cells(label: str) -> list[Result]:
        return [
            result(label, seed=seed, metrics={"bits-per-dim": bits(2 + generator.normal(0, 0.1), 0.001)})
            for seed in range(3)
        ]

    outcomes = [judged({}, *cells("glow"), *cells("realnvp")).outcome for _ in range(400)]
    assert np.mean([each != "undecided" for each in outcomes]) <= 0.065


def test_equal_rows_are_decided_rarely() -> None:
    generator = np.random.default_rng(0)
    outcomes = [
        judged(
            {"metric": "time-to-bpd"},
            *seconds("glow", *generator.normal(10, 1, 4)),
            *seconds("realnvp", *generator.normal(10, 1, 4)),
        ).outcome
        for _ in range(400)
    ]
    assert 0.02 <= np.mean([each != "undecided" for each in outcomes]) <= 0.08


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"row": "glou"}, "claim 1: the suite has no row 'glou'"),
        ({"metric": "speed"}, "claim 1: the suite has no metric 'speed'"),
        ({"rows": 1}, "no key 'claims.0.rows'; did you mean 'row'"),
    ],
)
def test_claims_about_nothing_are_refused(claim: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        judged(claim)


def test_the_suite_of_claims_can_be_judged() -> None:
    suite = find_suite("claims")
    assert len(suite.claims) > 10
    assert len(suite.seeds) == 6


def test_the_command(tmp_path: Path) -> None:
    claim = {"claim": "glow is better", "source": "nobody", "row": "glow", "than": "realnvp"}
    suite = tmp_path / "quick.yaml"
    suite.write_text(yaml.safe_dump({**SUITE, "claims": [claim]}))
    rows = [result(*each, seed=seed) for seed in (0, 1) for each in (("glow", 1.9), ("realnvp", 2.0))]
    folder = write(tmp_path / "results", *rows)
    asked = ["bench", "claims", str(folder), "--suite"]
    page, picture = tmp_path / "claims.md", tmp_path / "claims.svg"
    shown = CliRunner().invoke(app, [*asked, str(suite), "--markdown", str(page), "--plot", str(picture)])
    assert shown.exit_code == 0, shown.output
    assert picture.read_text().startswith("<?xml")
    assert shown.stdout.startswith("reproduced: glow is better\n")
    assert "| reproduced | glow is better | bits-per-dim on digits: glow 1.9, realnvp 2, difference -0.1" in (
        page.read_text()
    )
    (plain,) = json.loads(CliRunner().invoke(app, [*asked, str(suite), "--json"]).stdout)
    assert plain["outcome"] == "reproduced"
    shown = CliRunner().invoke(app, [*asked, "quick"])
    assert shown.exit_code == 2
    assert "suite 'quick' states no claims" in shown.stderr


def test_a_claim_about_data_without_records_is_not_measured() -> None:
    found = judged({"data": "other"}, result("glow", 1.0), result("realnvp", 2.0))
    assert (found.data, found.outcome) == ("other", "not measured")


def test_a_row_is_not_compared_with_itself() -> None:
    with pytest.raises(SuiteError, match="claim 1"):
        judged({"than": "glow"})


def test_times_are_to_the_lowest_level_that_all_cells_reached() -> None:
    def cell(label: str, seed: int, *curve: tuple[float, float]) -> Result:
        found = Measurement(None, "s", "lower", details={"curve": [list(each) for each in curve]})
        return result(label, 2.0, seed=seed, metrics={"time-to-bpd": found})

    found = judged(
        {"metric": "time-to-bpd", "at_common_level": True},
        cell("glow", 0, (1.0, 3.0), (2.0, 2.2), (3.0, 2.1)),
        cell("glow", 1, (1.0, 2.9), (2.2, 2.4), (3.0, 2.0)),
        cell("realnvp", 0, (1.0, 3.5), (4.0, 2.6), (9.0, 2.5)),
        cell("realnvp", 1, (1.0, 3.5), (5.0, 2.5), (9.0, 2.3)),
    )
    assert found.level == 2.5
    assert found.figures == pytest.approx((2.1, 7.0))
    assert found.outcome == "undecided"  # 4 and 7 seconds of two seeds


def test_a_row_is_compared_at_two_metrics() -> None:
    def cell(seed: int, cold: float, warm: float) -> Result:
        figures = {
            "bits-per-dim": Measurement(warm, "s", "lower"),
            "time-to-bpd": Measurement(cold, "s", "lower"),
        }
        return result("glow", 2.0, seed=seed, metrics=figures)

    claim = {"than": "glow", "metric": "time-to-bpd", "than_metric": "bits-per-dim"}
    found = judged(claim, cell(0, 1.0, 5.0), cell(1, 1.1, 5.2))
    assert found.figures == pytest.approx((1.05, 5.1))
    assert (found.outcome, found.paired) == ("reproduced", False)
    with pytest.raises(SuiteError, match="the suite has no metric 'ood'"):
        judged({**claim, "than_metric": "ood"})
