"""Files of every format that flowzoo has written load, and give the figures that they gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flowzoo.bench.result import QUALITY
from flowzoo.bench.store import read_results
from flowzoo.evaluation.report import evaluate
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog
from flowzoo.training.start import resume_run

STORED = Path(__file__).parent / "stored"
RUNS = ("run-glow", "run-rnode")


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_s_model_gives_the_stored_evaluation(name: str, tmp_path: Path) -> None:
    run = tmp_path / name
    shutil.copytree(STORED / name, run)
    stored = json.loads((run / "evaluation-test.json").read_text())
    found = evaluate(run, images=stored["images"], floor=False, audit=False, device="cpu")
    assert found.bits_per_dim == pytest.approx(stored["bits_per_dim"], abs=1e-4)
    assert found.parameters == stored["parameters"]
    assert found.data_revision == stored["data_revision"]


@pytest.mark.parametrize(("name", "bits"), [("run-glow", 3.128494188335), ("run-rnode", 3.295972140620)])
def test_a_stored_checkpoint_is_trained_to_the_end(name: str, bits: float, tmp_path: Path) -> None:
    run = tmp_path / name
    shutil.copytree(STORED / name, run)
    record = resume_run(run, device="cpu")
    assert (record.status, record.steps) == ("finished", 6)
    last = TrainingLog(run / "log.jsonl").read()[-1]
    assert (last["step"], last["validation_bits_per_dim"]) == (6, pytest.approx(bits, abs=1e-4))


def test_a_stored_record_says_what_was_trained() -> None:
    record = RunFolder(STORED / "run-rnode").read()
    asked = record.experiment
    assert (asked.model, asked.data, asked.seed, record.steps) == ("rnode", "digits", 0, 4)


@pytest.mark.parametrize(
    ("name", "key", "bits", "valid"),
    [
        ("result-schema-1.json", "dc2484063c7743e1", 5.275, False),
        ("result-schema-2.json", "65025db4587f88fc", 2.255, True),
        ("result-schema-3.json", "65025db4587f88fc", 2.255, True),
    ],
)
def test_a_stored_result_keeps_its_key_and_figures(name: str, key: str, bits: float, valid: bool) -> None:
    (result,) = read_results(STORED / name).results
    measured = result.metrics[QUALITY]
    assert (result.key, measured.valid) == (key, valid)
    assert measured.value == pytest.approx(bits, abs=1e-3)
