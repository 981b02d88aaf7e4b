"""What messages advise does what it says: it is tried in the situation that the message describes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app

REALNVP = ["train", "realnvp", "--data", "digits"]
SETTINGS = (
    *("--set", "levels=1"),
    *("--set", "last={checkerboard: 2, channel: 0, network: {hidden: 4, blocks: 0}}"),
    *("--set", "training={validations: 1, validation_images: 8, batch_size: 8, initial_images: 32}"),
)


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def advised(output: str, place: int = 0) -> list[str]:
    """Return the words of a command that a message shows."""
    return shlex.split(output[output.index("flowzoo ") :].split("    ")[place])[1:]


@pytest.mark.parametrize("name", ["my run", "it's", "a$HOME", "é", "-x", "a;b", "trailing/", "~"])
def test_the_next_commands_can_be_copied(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home of mine"))
    (tmp_path / "home of mine").mkdir()
    done = flowzoo(*REALNVP, f"--out={name if name != '~' else '~/run'}", "--steps", "1", *SETTINGS)
    assert done.exit_code == 0, done.output
    shown = done.stdout.splitlines()[-1]
    for place, made in ((0, "evaluation-test-*.json"), (1, "samples.png")):
        words = advised(shown, place)
        again = flowzoo(*words, *(["--images", "3", "--no-floor"] if place == 0 else ["-n", "2"]))
        assert again.exit_code == 0, again.output
        assert list(tmp_path.rglob(made))


def test_a_run_without_a_model_says_when_there_will_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "my run"
    with monkeypatch.context() as patch:
        patch.setattr("flowzoo.training.loop.TrainingLoop._validate", stop)
        assert flowzoo(*REALNVP, "--out", run, "--steps", "3", *SETTINGS).exit_code == 130
    commands = (["evaluate"], ["sample"], ["upscale"], ["splits"], ["diagnose"])
    for command in commands:
        done = flowzoo(*command, run)
        assert (done.exit_code, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert "no model yet: the first validation is at step 3;" in line
    again = flowzoo(*advised(line))
    assert again.exit_code == 0, again.output
    assert flowzoo("sample", run, "-n", "2", "-o", tmp_path / "x.png").exit_code == 0


def test_a_run_whose_validations_failed_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert flowzoo(*REALNVP, "--out", run, "--steps", "3", *SETTINGS).exit_code == 0
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "status": "running"}))
    (run / "model").rename(tmp_path / "gone")
    assert "no validation so far gave a finite figure" in flowzoo("evaluate", run).stderr
    (run / "run.json").write_text(json.dumps({**record, "status": "running", "first_validation": None}))
    assert "when training has finished" in flowzoo("evaluate", run).stderr
    budget = {"steps": None, "seconds": 60.0}
    seconds = {"experiment": {**record["experiment"], "budget": budget}, "first_validation": 20.0}
    (run / "run.json").write_text(json.dumps({**record, "status": "running", **seconds}))
    assert "the first validation is after 20 s of training" in flowzoo("evaluate", run).stderr
    (run / "run.json").write_text(json.dumps(record))
    assert "does not exist" in flowzoo("evaluate", run).stderr


def test_a_first_pass_over_one_image_gets_the_advice_that_helps(tmp_path: Path) -> None:
    def train(images: str) -> Result:
        training = (
            f"training={{validations: 1, validation_images: 8, batch_size: 8, initial_images: {images}}}"
        )
        return flowzoo(
            "train",
            "wavelet-flow",
            "--data",
            "digits",
            "--out",
            tmp_path / images,
            "--steps",
            "2",
            "--set",
            training,
        )

    done = train("1")
    assert done.exit_code == 2
    line = done.stderr.splitlines()[-1]
    assert "saw 1 image(s)" in line
    assert "training.learning_rate" not in line
    (number,) = (word for word in line.split("training.initial_images to ")[1].split()[:1])
    assert train(number).exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "realnvp", "--data", "digits", "--out", "", "--steps", "1"],
        [*REALNVP, "--out=", "--steps", "1"],
        ["train", "realnvp", "--data", "", "--steps", "1"],
        ["evaluate", ""],
        ["sample", "", "-n", "1"],
        ["bench", "run", ""],
        ["bench", "report", ""],
    ],
)
def test_an_empty_argument_is_named(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = flowzoo(*arguments)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert "is empty" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "trian"),
        (["bench", "rnu"], "rnu"),
        (["train", "--no-such-option"], "--no-such-option"),
        (["evaluate", "nowhere"], "not a run folder"),
        (["evaluate", "x" * 300], "File name too long"),
        (["bench", "report", "no folder"], "flowzoo bench run quick --out 'no folder'"),
        (["bench", "run", "nowhere.yaml"], "nowhere.yaml"),
        (["bench", "run", "file/x.yaml"], "file/x.yaml"),
    ],
)
def test_odd_invocations_end_with_status_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    done = flowzoo(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
