"""``flowzoo sample``: a picture, or files of their own, from a run or a saved model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.dequantisation import quantise
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model, save_model


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    flow = create_model("gaussian", (1, 8, 12), pixels="affine", seed=0)
    flow.initialise([torch.rand(200, 1, 8, 12, generator=torch.Generator().manual_seed(0))])
    save_model(flow, folder)
    return folder


def test_files_of_their_own_hold_what_the_picture_shows(model: Path, tmp_path: Path) -> None:
    for options in (("--columns", "5", "-o", tmp_path / "a.png"), ("--separate", "-o", tmp_path / "a")):
        result = flowzoo("sample", model, "-n", "5", "--batch-size", "2", *options)
        assert result.exit_code == 0, result.output
    names = [path.name for path in sorted((tmp_path / "a").iterdir())]
    assert names == [f"{place:04}.png" for place in range(5)]
    grid = np.asarray(Image.open(tmp_path / "a.png"))
    assert grid.shape == (8 * 8 + 4, 5 * (8 * 12 + 2) + 2)
    for place, name in enumerate(names):
        left = 2 + place * (8 * 12 + 2)
        shown = grid[2 : 2 + 64 : 8, left : left + 96 : 8]
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a" / name)), shown)


def test_a_folder_with_files_is_never_written_to(model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = flowzoo("sample", model, "-n", "2", "--separate", "-o", tmp_path)
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--separate", "--columns", "2"), "--columns"),
        (("-n", "10001"), "--separate"),
        (("--columns", "0"), "--columns"),
        (("--temperature", "hot"), "--temperature"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    model: Path, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = flowzoo("sample", model, "-o", tmp_path / "a.png", *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_neither_a_run_nor_a_model_says_so(tmp_path: Path) -> None:
    result = flowzoo("sample", tmp_path)
    assert result.exit_code == 2
    assert "run.json" in result.stderr
    assert "config.json" in result.stderr


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled") / "model"
    affine = {"name": "conditional-affine", "network": {"hidden": 4}}
    flow = create_model("glow", (1, 8, 8), seed=0, classes=3, levels=1, last=affine)
    flow.initialise([torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))])
    with torch.no_grad():  # a class shifts all of an image's values by its number
        for name, parameter in flow.named_parameters():
            if name.endswith("weight"):
                parameter.add_(0.1)
    save_model(flow, folder)
    return folder


def test_each_class_has_a_row_of_its_own(labelled: Path, tmp_path: Path) -> None:
    for name, options in {
        "all": ("--class", "all"),
        "2": ("--class", "2"),
        "20": ("--class", "2", "--class", "0"),
    }.items():
        result = flowzoo("sample", labelled, "-n", "4", *options, "-o", tmp_path / f"{name}.png")
        assert result.exit_code == 0, result.output
    grids = {path.stem: np.asarray(Image.open(path)) for path in tmp_path.iterdir()}
    assert grids["all"].shape == (3 * 66 + 2, 4 * 66 + 2)
    assert grids["20"].shape == (2 * 66 + 2, 4 * 66 + 2)
    assert grids["2"].shape == (2 * 66 + 2, 2 * 66 + 2)
    flow = load_model(labelled)
    expected = quantise(flow.sample(12, seed=0, labels=torch.arange(12) // 4), flow.bins)
    shown = grids["all"][2 + 66 : 2 + 66 + 64 : 8, 2 : 2 + 64 : 8]
    np.testing.assert_array_equal(shown, expected[4, 0].numpy())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--class", "3"), "0 to 2"),
        (("--class", "cat"), "--class"),
        (("--guidance", "2"), "guidance"),
        (("--class", "all", "--guidance", "2"), "vector field"),
    ],
)
def test_classes_that_do_not_exist_are_refused(
    labelled: Path, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = flowzoo("sample", labelled, "-o", tmp_path / "a.png", *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_without_labels_refuses_a_class(model: Path, tmp_path: Path) -> None:
    for asked in ("0", "all"):
        result = flowzoo("sample", model, "--class", asked, "-o", tmp_path / "a.png")
        assert result.exit_code == 2
        assert "classes" in result.stderr
