"""``flowzoo compare``: trained runs side by side."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.evaluation.image_bits import bits_file, read_bits, write_bits
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.evaluation.observer import Observer
from flowzoo.rundata import load_run_data
from flowzoo.runfolder import RunFolder

TINY = (
    *("--set", "levels=1"),
    *("--set", "last={checkerboard: 2, channel: 0, network: {hidden: 4, blocks: 0}}"),
    *("--set", "training={validations: 2, validation_images: 8, batch_size: 8, initial_images: 32}"),
)


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(folder: Path, *settings: str, data: str = "digits") -> Path:
    done = flowzoo("train", "realnvp", "--data", data, "--out", folder, "--steps", "4", *TINY, *settings)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("runs")
    return trained(place / "first"), trained(
        place / "é second", "--set", "last.scale_limit=3.0", "--seed", "1"
    )


def bits_of(run: Path, images: int) -> torch.Tensor:
    """Return what evaluation measures of each image, by the shortest way."""
    folder, found = RunFolder(run), list[torch.Tensor]()
    source = load_run_data(folder.read()).dataset.split("test")
    flow = folder.load_model()
    evaluate_likelihood(
        flow,
        source,
        limit=images,
        audit=False,
        observer=Observer(measured=lambda _, bits: found.append(bits)),
    )
    return found[0]


def test_differences_are_paired_by_image(runs: tuple[Path, Path]) -> None:
    done = flowzoo("compare", *runs, "--images", "30", "--json")
    assert done.exit_code == 0, done.output
    first, second = json.loads(done.stdout)["runs"]
    assert first["difference"] is None
    expected = bits_of(runs[1], 30) - bits_of(runs[0], 30)
    difference = second["difference"]
    assert difference["images"] == 30
    assert difference["mean"] == pytest.approx(float(expected.mean()))
    assert difference["standard_error"] == pytest.approx(float(expected.std()) / 30**0.5)
    low, high = difference["interval"]
    assert high - low == pytest.approx(2 * 1.96 * difference["standard_error"])
    assert (second["verdict"] == "no clear difference") == (low <= 0 <= high)


def test_a_run_does_not_differ_from_itself(runs: tuple[Path, Path]) -> None:
    done = flowzoo("compare", runs[0], runs[0], "--images", "10", "--json")
    found = json.loads(done.stdout)
    assert found["settings"] == {}
    assert found["runs"][1]["difference"]["mean"] == 0.0
    assert found["runs"][1]["verdict"] == "no clear difference"


def test_it_shows_figures_settings_that_differ_and_curves(
    runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")  # or a narrow terminal's rows go on in a second line
    done = flowzoo("compare", *runs, "--no-paired")
    assert done.exit_code == 0, done.output
    shown = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "seed 0 1" in shown
    assert any(line.startswith("last.scale_limit") for line in shown)
    assert not any(line.startswith("levels") for line in shown)
    assert any(line.startswith(f"{runs[1]} realnvp digits 4 steps 4 ") for line in shown)
    assert "steps of training" in done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines())


def test_a_component_that_is_another_one_stands_for_its_options(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    done = flowzoo("train", "gaussian", "--data", "digits", "--out", tmp_path / "other", "--steps", "1")
    assert done.exit_code == 0, done.output
    done = flowzoo("compare", runs[0], tmp_path / "other", "--no-paired", "--json")
    settings = json.loads(done.stdout)["settings"]
    assert settings["model"] == ["realnvp", "gaussian"]
    assert "last.name" in settings
    assert not [name for name in settings if name.startswith("last.") and name != "last.name"]


def test_bits_that_an_evaluation_kept_are_used_while_the_weights_are_the_same(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    assert flowzoo("evaluate", run, "--audit-seconds", "1", "--no-cache").exit_code == 0
    place = bits_file(run / "evaluation-test.json")
    kept = read_bits(place)
    assert kept is not None
    assert torch.equal(kept.values[:20], bits_of(run, 20))
    write_bits(replace(kept, values=kept.values + 1.0), place)  # so that it shows which are used
    used = json.loads(flowzoo("compare", run, runs[0], "--images", "20", "--json").stdout)["runs"][1]
    assert used["difference"]["mean"] == pytest.approx(-1.0)
    others = replace(kept.conditions, weights="of another model")
    write_bits(replace(kept, values=kept.values + 1.0, conditions=others), place)
    measured = json.loads(flowzoo("compare", run, runs[0], "--images", "20", "--json").stdout)["runs"][1]
    assert measured["difference"]["mean"] == 0.0
    place.write_bytes(b"damaged")
    assert read_bits(place) is None


def test_runs_on_other_images_are_not_paired_and_say_so(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    record = json.loads((other / "run.json").read_text())
    record["data_report"]["revisions"]["test"] = "0123456789abcdef"
    (other / "run.json").write_text(json.dumps(record))
    done = flowzoo("compare", runs[0], other, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["runs"][1]
    assert found["difference"] is None
    assert "0123456789abcdef" in found["not_paired"]


def test_the_curves_are_drawn_into_a_picture(runs: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for ending, begins in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        picture = tmp_path / f"curves{ending}"
        assert flowzoo("compare", *runs, "--no-paired", "--plot", picture).exit_code == 0
        assert picture.read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["only-one"], "two or more"),
        (["nowhere", "nowhere-else"], "nowhere"),
        (["a", "b", "--plot", "curves.jpg"], ".png"),
        (["a", "b", "--split", "tset"], "did you mean 'test'"),
    ],
)
def test_mistakes_get_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = flowzoo("compare", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line
