"""Files of every version that flowzoo has written load, and give the figures that they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.bench.result import QUALITY
from flowzoo.bench.store import read_results
from flowzoo.cli.app import app
from flowzoo.cli.settings import read_settings
from flowzoo.comparison.compare import compare_runs
from flowzoo.errors import SavedModelError
from flowzoo.evaluation.report import evaluate, read_evaluation
from flowzoo.registry.loader import default_registry
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog
from flowzoo.training.resume import resume_run

STORED = Path(__file__).parent / "stored"

LAST = {
    "run-rnode-evaluation-2": 3.294399832230,
    "run-glow": 3.128494188335,
    "run-rnode": 3.295972140620,
    "run-glow-evaluation-4": 3.153823492185,
    "run-glow-record-2": 3.153823492185,
}
"""Bits/dim of each run's last validation, where the flowzoo of its time trained it to the end."""

EARLY = "run-glow-evaluation-1"
"""A run of the first day, whose checkpoint cannot be told to be of its experiment."""

REFUSED = "run-rnode-evaluation-1"
"""A run of the first day, whose continuous flow computes something else now."""

EVALUATIONS = {
    REFUSED: (3.273365358, False),
    EARLY: (3.076022962, False),
    "run-rnode-evaluation-2": (3.255972197, False),
    "run-glow": (3.075899955, True),
    "run-rnode": (3.258380556, True),
    "run-glow-evaluation-4": (3.066238056, True),
    "run-glow-record-2": (3.066238056, True),
}
"""Figures, and whether they may be ranked: figures from before the density audit may not."""

RESULTS = {
    "result-schema-1.json": ("dc2484063c7743e1", 5.275, False),
    "result-schema-2.json": ("65025db4587f88fc", 2.255, True),
    "result-schema-3.json": ("b439d58d92a1c08c", 3.066, True),
    "result-schema-4.json": ("b439d58d92a1c08c", 3.066, True),
}


@pytest.fixture
def run(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED / name, tmp_path / name))


@pytest.mark.parametrize("name", json.loads((STORED / "log-prob.json").read_text())["log_prob"])
def test_a_stored_model_gives_the_stored_likelihoods(name: str) -> None:
    stored = json.loads((STORED / "log-prob.json").read_text())
    model = flowzoo.load_model(STORED / name / "model")
    x = (torch.tensor(stored["images"]) + 0.5) / model.bins
    with torch.no_grad():
        assert model.log_prob(x).tolist() == pytest.approx(stored["log_prob"][name], rel=1e-5)


@pytest.mark.parametrize("name", LAST)
def test_a_stored_run_is_evaluated_and_trained_to_the_end(name: str, run: Path) -> None:
    stored = json.loads((run / "evaluation-test.json").read_text())
    found = evaluate(run, images=stored["images"], floor=False, audit=False, device="cpu")
    assert found.bits_per_dim == pytest.approx(stored["bits_per_dim"], abs=1e-4)
    assert found.parameters == stored["parameters"]
    assert found.data_revision == stored["data_revision"]
    record = resume_run(run, device="cpu")
    assert (record.status, record.steps) == ("finished", 6)
    last = TrainingLog(run / "log.jsonl").read()[-1]
    assert (last["step"], last["validation_bits_per_dim"]) == (6, pytest.approx(LAST[name], abs=1e-4))


@pytest.mark.parametrize("name", [EARLY])
def test_an_early_run_is_evaluated_but_cannot_go_on(run: Path) -> None:
    found = evaluate(run, images=8, floor=False, audit=False, device="cpu")
    assert found.bits_per_dim == pytest.approx(EVALUATIONS[EARLY][0], abs=0.03)  # it drew other noise
    with pytest.raises(SavedModelError, match=r"run\.json.*early"):
        resume_run(run, device="cpu")


@pytest.mark.parametrize("name", [REFUSED])
def test_a_run_whose_components_compute_something_else_is_refused(run: Path) -> None:
    for use in (flowzoo.load_model, resume_run, evaluate):
        with pytest.raises(SavedModelError, match="revision 1 of bijector 'cnf'"):
            use(run)  # type: ignore[operator]


def test_a_stored_record_says_what_was_trained() -> None:
    record = RunFolder(STORED / "run-rnode").read()
    asked = record.experiment
    assert (asked.model, asked.data, asked.seed, record.steps) == ("rnode", "digits", 0, 4)


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_stored_evaluation_keeps_its_figure(name: str) -> None:
    bits, valid = EVALUATIONS[name]
    found = read_evaluation(STORED / name / "evaluation-test.json")
    assert (found.bits_per_dim, found.valid, found.images) == (pytest.approx(bits, abs=1e-9), valid, 8)
    assert sum(found.terms.values()) == pytest.approx(bits, abs=1e-6)
    assert (found.importance_samples, str(found.exactness)) == (1, "exact")


def test_stored_files_mean_what_they_meant_when_a_default_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are from before the option existed."""
    name = "run-glow-record-2"
    results = read_results(STORED / "result-schema-4.json").results
    experiments = [RunFolder(STORED / name).read().experiment, *(each.experiment for each in results)]
    assert all("normalise" not in each.options for each in experiments)
    before = [each.fingerprint for each in experiments]

    defaults = default_registry().find("model", "glow").defaults
    assert isinstance(defaults, dict)
    monkeypatch.setitem(defaults, "normalise", "whiten")
    recipe = flowzoo.create_model("glow", (1, 8, 8)).recipe
    assert recipe is not None
    assert recipe.options["normalise"]["name"] == "whiten"

    assert [each.fingerprint for each in experiments] == before
    test_a_stored_model_gives_the_stored_likelihoods(name)
    assert read_settings(STORED / name, []).options["normalise"] == "standardise"
    run = Path(shutil.copytree(STORED / name, tmp_path / name))
    test_a_stored_run_is_evaluated_and_trained_to_the_end(name, run)
    assert RunFolder(run).read().experiment.options["normalise"] == "standardise"


def test_stored_evaluations_are_compared() -> None:
    compared = compare_runs([STORED / name for name in EVALUATIONS], pair=False)
    figures = [run.test and (round(run.test.bits_per_dim, 9), run.test.valid) for run in compared.runs]
    assert figures == [(bits, valid) for bits, valid in EVALUATIONS.values()]


@pytest.mark.parametrize("name", ["run-glow"])
def test_an_evaluation_that_cannot_be_read_is_a_warning(run: Path) -> None:
    (run / "evaluation-test.json").write_text('{"schema": 99}')
    compared = compare_runs([run, STORED / "run-rnode"], pair=False)
    assert [each.test is None for each in compared.runs] == [True, False]
    assert any("evaluation-test.json has schema 99" in warning for warning in compared.warnings)


@pytest.mark.parametrize("name", RESULTS)
def test_a_stored_result_keeps_its_key_and_figures(name: str) -> None:
    key, bits, valid = RESULTS[name]
    (result,) = read_results(STORED / name).results
    measured = result.metrics[QUALITY]
    assert (result.key, measured.valid) == (key, valid)
    assert measured.value == pytest.approx(bits, abs=1e-3)
    shown = CliRunner().invoke(app, ["bench", "report", str(STORED / name)])
    assert (shown.exit_code, f"{bits:.3f}" in shown.stdout) == (0, True), shown.output
