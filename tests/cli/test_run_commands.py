"""``train``, ``evaluate`` and ``sample`` from the command line."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.cli.settings import read_settings
from flowzoo.evaluation import floor, report
from flowzoo.runfolder import Grown, RunFolder

MRCNF = ["train", "mrcnf", "--data", "digits", "--out", "x"]
TINY = [
    *("--set", "levels=2"),
    *("--set", "bijector.blocks=1"),
    *("--set", "bijector.network={name: conv-field, hidden: 4}"),
    *("--set", "precondition=null"),
    *("--set", "bijector.evaluation_solver=rk4"),
    *("--set", "bijector.evaluation_steps=2"),
    *("--set", "training.validation_images=8"),
    *("--set", "training.validations=2"),
]


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    result = flowzoo(
        "train", "mrcnf", "--data", "digits", "--out", folder, "--steps", "4", "--seed", "1", *TINY
    )
    assert result.exit_code == 0, result.output
    return folder


def test_evaluate_prints_json_with_all_that_a_figure_needs(run: Path) -> None:
    result = flowzoo("evaluate", run, "--images", "20", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {"bits_per_dim", "standard_error", "valid", "parameters"} <= found.keys()
    assert found["valid"] is True
    assert found["images"] == 20
    assert found["pixels"] == {"name": "logit", "alpha": 0.001}
    assert found["gaussian_bits_per_dim"] < 2.6
    assert json.loads((run / "evaluation-test-images20.json").read_text()) == found


def test_a_few_images_do_not_replace_the_figure_of_the_whole_split(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = flowzoo("train", "gaussian", "--data", "digits", "--out", run, "--steps", "1")
    assert done.exit_code == 0, done.output
    whole = json.loads(flowzoo("evaluate", run, "--audit-seconds", "1", "--json").stdout)
    assert whole["images"] == whole["split_images"] == 297
    for number, options in enumerate((["--images", "7"], ["--seed", "1"], ["--importance-samples", "2"])):
        found = flowzoo("evaluate", run, "--no-audit", *options)
        assert found.exit_code == 0, found.output
        assert number or "first 7 of 297" in found.stdout
    assert flowzoo("evaluate", run, "--no-audit", "--draws", "2").exit_code == 0  # the older name
    assert json.loads((run / "evaluation-test.json").read_text()) == whole
    names = {path.name for path in run.glob("evaluation-*.json")}
    assert {f"evaluation-test-{each}-no-audit.json" for each in ("images7", "seed1", "samples2")} < names


def test_the_figure_is_written_before_the_audit(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("flowzoo.evaluation.likelihood.audit_density", stopped)
    result = flowzoo("evaluate", run, "--images", "6")
    assert result.exit_code == 130
    (line,) = result.stderr.splitlines()
    assert str(run / "evaluation-test-images6.json") in line
    assert "again" in line
    found = json.loads((run / "evaluation-test-images6.json").read_text())
    assert found["bits_per_dim"] > 0
    assert found["valid"] is False
    assert any("not audited" in each for each in found["objections"])


def test_evaluate_says_that_nothing_is_kept_if_it_is_stopped_before_the_figure(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("flowzoo.evaluation.likelihood.calibrate_on_pilot", stopped)
    result = flowzoo("evaluate", run, "--images", "8")
    assert result.exit_code == 143
    (line,) = result.stderr.splitlines()
    assert "nothing is kept" in line
    assert "again" in line
    assert not (run / "evaluation-test-images8.json").exists()


def test_evaluate_shows_the_figure_where_the_floor_fails(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(floor, "fit_gaussian", failing)
    monkeypatch.setenv("COLUMNS", "200")
    result = flowzoo("evaluate", run, "--images", "5", "--no-cache")
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines() if line.strip()}
    assert "not enough memory" in rows["Gaussian"]
    found = json.loads((run / "evaluation-test-images5.json").read_text())
    assert f"{found['bits_per_dim']:.4f}" in rows["bits/dim"]
    assert found["gaussian_bits_per_dim"] is None


def test_evaluate_says_that_a_model_is_worse_than_the_floor(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = flowzoo("evaluate", run, "--images", "5")
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("Gaussian floor"))
    assert "mrcnf is worse than the Gaussian floor (higher is worse)" in row


def test_evaluate_prints_a_table(run: Path) -> None:
    result = flowzoo("evaluate", run, "--images", "10", "--estimate", "--no-floor", "--split", "validation")
    assert result.exit_code == 0, result.output
    assert "validation split" in result.stdout
    assert "hutchinson" in result.stdout
    assert "Gaussian" not in result.stdout
    assert "sum" in result.stdout


def test_evaluate_shows_a_joint_figure_apart_and_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # or a narrow terminal's row goes on in a second line
    settings = ["--set", "transform.proposal=uniform", "--set", "pixels=affine", *TINY]
    run = tmp_path / "drawn"
    result = flowzoo("train", "msflow-image", "--data", "digits", "--out", run, "--steps", "2", *settings)
    assert result.exit_code == 0, result.output
    result = flowzoo("evaluate", run, "--images", "10", "--no-floor")
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: " ".join(line.split()) for line in result.stdout.splitlines() if line.strip()}
    found = json.loads((run / "evaluation-test-images10-no-floor.json").read_text())
    assert found["bits_per_dim"] - found["joint_bits_per_dim"] == pytest.approx(math.log2(17) / 4, abs=1e-5)
    assert rows["joint_bpd"].startswith(f"joint_bpd {found['joint_bits_per_dim']:.4f} ")
    assert "never ranked" in rows["joint_bpd"]
    assert rows["bits/dim"].startswith(f"bits/dim {found['bits_per_dim']:.4f} ±")
    assert "no bound" not in rows["bits/dim"]
    assert "uniform, width 1/17, K=1" in rows["drawn"]


def test_evaluate_marks_a_figure_that_is_no_bound(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def approximated(*arguments: Any, **options: Any) -> report.Evaluation:
        return replace(measure(*arguments, **options), valid=False, objections=("a guess", "too rough"))

    measure = report.evaluate
    monkeypatch.setattr(report, "evaluate", approximated)
    monkeypatch.setenv("COLUMNS", "200")  # or a narrow terminal's row goes on in a second line
    result = flowzoo("evaluate", run, "--images", "2", "--no-floor")
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("not ranked"))
    assert row.endswith("a guess; too rough")


def test_sample_draws_a_picture_that_repeats(run: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        result = flowzoo("sample", run, "-n", "4", "-o", tmp_path / name, "--temperature", "1,0.8")
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_is_a_file_of_settings_that_the_command_line_overrides(run: Path, tmp_path: Path) -> None:
    printed = flowzoo("train", "--config", run, "--steps", "9", "--set", "levels=1", "--print-config")
    assert printed.exit_code == 0, printed.output
    config = tmp_path / "settings.yaml"
    config.write_text(printed.stdout)
    asked = read_settings(config, [])
    before = RunFolder(run).read().experiment
    assert (asked.model, asked.data_name, asked.seed) == (before.model, before.data, before.seed)
    assert asked.budget == {"steps": 9}
    assert asked.training == before.training.model_dump()
    assert asked.options == {**before.options, "levels": 1}


def test_the_settings_of_a_run_that_grew_name_the_model_that_it_needs(run: Path, tmp_path: Path) -> None:
    grew = RunFolder(tmp_path / "grew")
    grew.path.mkdir()
    grew.write(replace(RunFolder(run).read(), grown=Grown("runs/small ones", 1, "")))
    again = ["train", "--config", grew.path, "--out", tmp_path / "again"]
    refused = flowzoo(*again)
    assert refused.exit_code == 2
    assert "--grow 'runs/small ones'" in refused.stderr
    assert not (tmp_path / "again").exists()
    assert "runs/other" in flowzoo(*again, "--grow", "runs/other").stderr  # the one that was given is read
    printed = flowzoo(*again, "--print-config").stdout
    assert "--grow 'runs/small ones'" in printed
    (tmp_path / "settings.yaml").write_text(printed)
    assert read_settings(tmp_path / "settings.yaml", []) == replace(read_settings(grew.path, []), grown=None)


def test_a_training_that_a_file_describes_ends_like_the_run_that_it_came_from(
    run: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    result = flowzoo("train", "--config", run, "--out", again, "--steps", "4")
    assert result.exit_code == 0, result.output
    first, second = RunFolder(run).read(), RunFolder(again).read()
    assert second.experiment.fingerprint == first.experiment.fingerprint


def test_widening_a_network_takes_one_option() -> None:
    wide = flowzoo("train", "mrcnf", *MRCNF[2:], "--steps", "1", "--set", "width=96", "--print-config")
    assert wide.exit_code == 0, wide.output
    shown = flowzoo("show", "glow", "--image-shape", "1x8x8", "--set", "*.hidden=8", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["levels"]
    refused = flowzoo("show", "glow", "--image-shape", "1x8x8", "--set", "hidden=8")
    assert refused.exit_code == 2
    assert "joint.network.hidden" in refused.stderr


@pytest.mark.parametrize(("whole", "said"), [(192, 1), (0, 0)])
def test_training_says_that_images_are_few_for_the_whitening(tmp_path: Path, whole: int, said: int) -> None:
    generator = np.random.default_rng(0)
    for number in range(20):
        pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    settings = (f"data.root={tmp_path}", "data.size=8", "levels=1", f"normalise.whole={whole}")
    options = [word for setting in settings for word in ("--set", setting)]
    result = flowzoo(
        "train", "wavelet-flow", "--data", "images", "--steps", "1", *options, "--out", tmp_path / "run"
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("fitted to few images") == said


@pytest.mark.parametrize(
    ("setting", "said"), [("lvels=2", "'levels'"), ("data.size=31", "28 | 32"), ("data.sise=32", "'size'")]
)
def test_settings_that_do_not_fit_the_model_or_the_data_are_not_printed(setting: str, said: str) -> None:
    refused = flowzoo(
        "train", "glow", "--data", "mnist-5k", "--steps", "1", "--set", setting, "--print-config"
    )
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_a_finished_run_is_trained_for_longer(run: Path) -> None:
    result = flowzoo("train", "--resume", "--out", run, "--steps", "5")
    assert result.exit_code == 0, result.output
    assert "5 steps" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*MRCNF], "--seconds 60, or --steps 1000"),
        (["train", "--out", "x", "--steps", "1"], "name the model"),
        (["train", "mrcnf", "--out", "x", "--steps", "1"], "--data digits"),
        (["train", "mrcfn", *MRCNF[2:], "--steps", "1"], "did you mean 'mrcnf'"),
        (["train", "mrcnf", "--data", "digist", "--steps", "1"], "did you mean 'digits'"),
        ([*MRCNF, "--steps", "0"], "budget in steps"),
        ([*MRCNF, "--steps", "1", "--seconds", "1"], "either in steps or in seconds"),
        ([*MRCNF, "--steps", "1", "--set", "level=2"], "did you mean 'levels'"),
        ([*MRCNF, "--steps", "1", "--set", "levels=9"], "odd"),
        ([*MRCNF, "--steps", "1", "--set", "bijector.solver=dopri"], "dopri5"),
        ([*MRCNF, "--resume"], "leave out MODEL and --data"),
        (["train", "--out", "x", "--resume"], "not a run folder"),
        (["train", "--out", "x", "--resume", "--seed", "1"], "leave out --seed"),
        ([*MRCNF, "--steps", "1", "--seed", "-1"], "the seed is -1"),
        ([*MRCNF, "--steps", "1", "--set", "seed=1"], "use --seed"),
        ([*MRCNF, "--steps", "1", "--set", "budget.steps=1"], "use --steps"),
        ([*MRCNF, "--steps", "1", "--set", "data.name=x"], "use --data"),
        ([*MRCNF, "--steps", "1", "--set", "pixels=actnorm"], "pixel transform"),
        ([*MRCNF, "--steps", "1", "--config", "none.yaml"], "none.yaml"),
        (
            [*MRCNF, "--steps", "1", "--parallel", "levels", "--set", "training.order=jointly"],
            "order=jointly",
        ),
        (["evaluate", "nowhere"], "not a run folder"),
        (["sample", "nowhere", "-o", "x.png"], "not a run folder"),
        (["sample", "nowhere", "--temperature", "hot"], "--temperature"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = flowzoo(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "evaluate", "sample"])
def test_help_has_an_example(command: str) -> None:
    result = flowzoo(command, "--help")
    assert result.exit_code == 0
    assert f"Example: flowzoo {command}" in result.stdout


def test_asking_for_help_imports_no_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from flowzoo.cli.app import app\n"
        "assert CliRunner().invoke(app, ['train', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
