"""The images of a run: what is said of them, images that change, and images that move."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.errors import DataError, OptionError
from flowzoo.evaluation import report
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run

COUNTS = {"train": 12, "val": 4, "test": 6}
SETTINGS = [
    *("--set", "levels=2"),
    *("--set", "bijector.checkerboard=1"),
    *("--set", "bijector.channel=0"),
    *("--set", "bijector.network={name: dense, hidden: 4, layers: 1}"),
    *("--set", "training.validation_images=4"),
    *("--set", "training.validations=1"),
    *("--set", "training.batch_size=4"),
    *("--set", "data.size=4"),
    *("--set", "data.channels=1"),
]


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)).save(path)


def fill(root: Path) -> Path:
    for place, (split, count) in enumerate(COUNTS.items()):
        for number in range(count):
            draw(root / split / f"{number}.png", 100 * place + number)
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds ``pictures`` and a ``run`` on them, which was started from there."""
    place = tmp_path_factory.mktemp("trained")
    fill(place / "pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        result = flowzoo(
            *("train", "pnf", "--data", "images", "--set", "data.root=pictures"),
            *("--out", "run", "--steps", "2", *SETTINGS),
        )
    assert result.exit_code == 0, result.output
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, whose run looks for its pictures there; the current folder is another."""
    shutil.copytree(trained, tmp_path / "place")
    record = json.loads((tmp_path / "place/run/run.json").read_text())
    record["experiment"]["data_options"]["root"] = str(tmp_path / "place" / "pictures")
    (tmp_path / "place/run/run.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path / "place"


def evaluate(place: Path, *arguments: str | Path) -> Result:
    return flowzoo("evaluate", place / "run", "--no-floor", *arguments)


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert all(word in line for word in words), line


def test_the_record_holds_what_was_found_and_an_absolute_path(trained: Path) -> None:
    record = RunFolder(trained / "run").read()
    assert record.experiment.data_options["root"] == str(trained / "pictures")
    report = record.data_report
    assert report.sizes == {"train": 12, "validation": 4, "test": 6}
    assert report.revisions.keys() == report.sizes.keys()
    assert len(set(report.revisions.values())) == 3


def test_what_was_found_is_said_when_training_starts(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures")
    draw(root / "train" / ".hidden" / "0.png", 900)
    draw(root / "loose.png", 901)
    (root / "notes.txt").write_text("")
    shutil.copy(root / "train" / "3.png", root / "test" / "copy.png")
    Image.new("LA", (3, 3)).save(root / "train" / "alpha.png")
    result = flowzoo(
        *("train", "pnf", "--data", "images", "--set", f"data.root={root}", *SETTINGS),
        *("--out", tmp_path / "run", "--steps", "1"),
    )
    lines = good(result).stderr.splitlines()
    assert "13 train, 4 validation, 7 test images" in lines[0]
    assert "3 file(s) skipped" in lines[0]
    assert all(reason in lines[0] for reason in ("1 in .hidden", "1 .txt", "1 images outside the splits"))
    assert any("1 image(s): alpha channel left out" in line for line in lines)
    assert any("1 image(s): scaled up" in line for line in lines)
    assert any(line.startswith("warning: 1 test image(s) are train images too") for line in lines)
    report = RunFolder(tmp_path / "run").read().data_report
    assert report.skipped == {"in .hidden": 1, ".txt": 1, "images outside the splits": 1}
    assert report.changed["alpha channel left out"] == 1
    assert report.shared == {"test in train": 1}


def test_a_damaged_image_of_any_split_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    root = fill(tmp_path / "pictures")
    for path in (root / "train" / "5.png", root / "test" / "2.png"):
        path.write_bytes(path.read_bytes()[:50])
    result = flowzoo(
        *("train", "pnf", "--data", "images", "--set", f"data.root={root}", *SETTINGS),
        *("--out", tmp_path / "run", "--steps", "1"),
    )
    refused(result, "2 of 22 images", str(root / "train" / "5.png"), str(root / "test" / "2.png"))
    assert not (tmp_path / "run").exists()


def test_unchanged_images_get_no_note(place: Path) -> None:
    found = json.loads(good(evaluate(place, "--json")).stdout)
    assert found["data_notes"] == []
    assert found["data_revision"] == RunFolder(place / "run").read().experiment.data_revision


@pytest.mark.parametrize(
    "change",
    [
        lambda test: draw(test / "2.png", 800),
        lambda test: (test / "2.png").unlink(),
        lambda test: draw(test / "new.png", 801),
    ],
    ids=["mended", "removed", "added"],
)
def test_changed_test_images_are_noted_and_all_else_goes_on(
    place: Path, change: Callable[[Path], None]
) -> None:
    before = RunFolder(place / "run").read()
    change(place / "pictures" / "test")
    found = json.loads(good(evaluate(place, "--json")).stdout)
    (note,) = found["data_notes"]
    assert note.startswith("test images differ")
    assert before.data_report.revisions["test"] in note
    assert found["data_revision"] != before.experiment.data_revision
    (written,) = (place / "run").glob("evaluation-test*.json")
    assert json.loads(written.read_text())["data_notes"] == [note]
    shown = good(evaluate(place))
    assert note not in shown.stdout
    assert any(note in line for line in shown.stderr.splitlines() if line.startswith("warning: "))
    for split in ("validation", "train"):
        found = json.loads(good(evaluate(place, "--split", split, "--json")).stdout)
        assert (found["data_notes"], found["data_revision"]) == ([], before.experiment.data_revision)
    good(flowzoo("train", "--resume", "--out", place / "run", "--steps", "3"))
    after = RunFolder(place / "run").read()
    assert (after.experiment.data_revision, after.data_report) == (
        before.experiment.data_revision,
        before.data_report,
    )
    upscaled = good(flowzoo("upscale", place / "run", "--images", "1", "-o", place / "u.png"))
    assert note in upscaled.stderr
    assert note in good(flowzoo("diagnose", place / "run", "--images", "1")).stderr


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_run_does_not_go_on_with_other_images_to_train_or_validate_on(place: Path, split: str) -> None:
    draw(place / "pictures" / split / "2.png", 800)
    refused(
        flowzoo("train", "--resume", "--out", place / "run", "--steps", "3"),
        f"{'train' if split == 'train' else 'validation'} images differ",
        "start a new run",
    )
    assert json.loads(good(evaluate(place, "--json")).stdout)["data_notes"] == []


def test_a_floor_on_other_training_images_is_noted(place: Path) -> None:
    draw(place / "pictures" / "train" / "2.png", 800)
    (note,) = report.evaluate(place / "run", floor=True, device="cpu").data_notes
    assert "train images differ" in note
    assert "floor" in note


def test_test_images_that_got_damaged_are_named_and_keep_nobody_from_the_other_splits(place: Path) -> None:
    for number in range(5):
        (place / "pictures" / "test" / f"{number}.png").write_bytes(b"<html>")
    refused(evaluate(place), "5 of 6", *(f"{number}.png" for number in range(5)))
    good(evaluate(place, "--split", "validation"))
    good(flowzoo("train", "--resume", "--out", place / "run", "--steps", "3"))


def as_older(run: Path) -> None:
    """Make a run's record one of a version that knew no revisions of splits."""
    record = json.loads((run / "run.json").read_text())
    del record["data_report"]
    (run / "run.json").write_text(json.dumps(record))


def test_a_record_without_revisions_of_splits_is_compared_as_a_whole(place: Path) -> None:
    as_older(place / "run")
    assert json.loads(good(evaluate(place, "--json")).stdout)["data_notes"] == []
    draw(place / "pictures" / "test" / "2.png", 800)
    refused(evaluate(place, "--split", "validation"), "images differ")
    refused(
        flowzoo("train", "--resume", "--out", place / "run", "--steps", "3"),
        "images differ",
    )


def test_resuming_an_older_run_notes_the_revisions_of_its_splits(place: Path) -> None:
    expected = RunFolder(place / "run").read().data_report
    as_older(place / "run")
    resume_run(place / "run", budget=Budget(steps=3), device="cpu")
    assert RunFolder(place / "run").read().data_report.revisions == expected.revisions


def test_a_relative_root_is_found_from_another_folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    good(flowzoo("evaluate", trained / "run", "--no-floor", "--images", "2"))


def test_images_that_moved_are_found_where_they_are_said_to_be(place: Path) -> None:
    (place / "pictures").rename(place / "elsewhere")
    lost = str(place / "pictures")
    resume = ("train", "--resume", "--out", place / "run", "--steps", "3")
    upscale = ("upscale", place / "run", "--images", "1", "-o", place / "u.png")
    commands = (resume, upscale, ("diagnose", place / "run", "--images", "1"), ("evaluate", place / "run"))
    for command in commands:
        refused(flowzoo(*command), lost, "--set data.root=FOLDER")
    for command in commands[1:]:
        good(flowzoo(*command, "--set", "data.root=place/elsewhere"))
    good(flowzoo(*resume, "--set", "data.root=place/elsewhere"))
    good(evaluate(place))  # resuming has stored the place
    assert RunFolder(place / "run").read().experiment.data_options["root"] == str(place / "elsewhere")


def test_a_place_typed_wrongly_and_one_with_other_images_are_refused(place: Path) -> None:
    refused(evaluate(place, "--set", "data.root=nowhere"), "nowhere")
    other = fill(place / "other")
    draw(other / "train" / "0.png", 700)
    resume = ("train", "--resume", "--out", place / "run", "--steps", "3")
    refused(flowzoo(*resume, "--set", f"data.root={other}"), "train images differ")


def test_an_older_record_with_a_relative_root_says_so(place: Path) -> None:
    record = json.loads((place / "run/run.json").read_text())
    record["experiment"]["data_options"]["root"] = "pictures"
    (place / "run/run.json").write_text(json.dumps(record))
    refused(evaluate(place), "pictures", "started in", "--set data.root=FOLDER")


@pytest.mark.parametrize(
    ("setting", "word"),
    [("data.size=8", "root"), ("data.rot=x", "root"), ("levels=3", "data."), ("training.warmup=1", "data.")],
)
@pytest.mark.parametrize("command", ["evaluate", "upscale", "diagnose", "train"])
def test_nothing_but_places_can_be_set(place: Path, command: str, setting: str, word: str) -> None:
    run = ("--resume", "--out", place / "run") if command == "train" else (place / "run",)
    refused(flowzoo(command, *run, "--set", setting), word)


def test_the_same_options_as_before_may_be_repeated(place: Path) -> None:
    good(evaluate(place, "--set", "data.size=4", "--set", f"data.root={place / 'pictures'}"))


def test_a_data_set_without_files_has_no_place(tmp_path: Path) -> None:
    asked = {"model": "gaussian", "data": "digits", "budget": {"steps": 1}}
    start_run(tmp_path / "run", parse_experiment(asked), device="cpu")
    refused(flowzoo("evaluate", tmp_path / "run", "--set", "data.root=x"), "digits")


THEIRS = """
from pathlib import Path

import numpy as np

from flowzoo.api import Component, hookimpl, in_memory

flowzoo_api_version = 2


@hookimpl
def flowzoo_components():
    return [Component("dataset", "theirs", "flowzoo_theirs:build", "Arrays of theirs.")]


def build(*, arrays: Path, scale: int = 1):
    values = np.load(arrays / "values.npy") * scale
    splits = dict(zip(("train", "validation", "test"), values, strict=True))
    return in_memory(
        "theirs", splits, bins=256, licence="CC0-1.0", source="theirs", pixels={"name": "affine"}
    )
"""


def test_paths_of_others_data_sets_are_kept_and_moved_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install_plugin: Callable[..., Any]
) -> None:
    install_plugin("flowzoo-theirs", THEIRS)
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "values.npy", np.random.default_rng(0).integers(0, 256, (3, 8, 1, 2, 2)))
    monkeypatch.chdir(tmp_path)
    asked = {"model": "gaussian", "data": "theirs", "budget": {"steps": 1}}
    record = start_run("run", parse_experiment({**asked, "data_options": {"arrays": "arrays"}}), device="cpu")
    assert record.experiment.data_options == {"arrays": str(tmp_path / "arrays")}
    monkeypatch.chdir("/")
    report.evaluate(tmp_path / "run", device="cpu")
    (tmp_path / "arrays").rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"data\.arrays=.*--set data\.arrays=FOLDER"):
        report.evaluate(tmp_path / "run", device="cpu")
    report.evaluate(tmp_path / "run", device="cpu", data_options={"arrays": tmp_path / "moved"})
    with pytest.raises(OptionError, match=r"data\.scale cannot be given.*arrays"):
        report.evaluate(tmp_path / "run", device="cpu", data_options={"scale": 2})
