"""``upscale`` from the command line: what stands where in its picture, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app

TINY = [
    *("--set", "levels=3"),
    *("--set", "bijector.checkerboard=1"),
    *("--set", "bijector.channel=0"),
    *("--set", "bijector.network={name: dense, hidden: 4, layers: 1}"),
    *("--set", "training.validation_images=8"),
]
COLUMNS = 7
"""Coarse, without noise, four draws, the original."""


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(folder: Path, model: str, *settings: str) -> Path:
    result = flowzoo("train", model, "--data", "digits", "--out", folder, "--steps", "2", *settings)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "pnf", "pnf", *TINY)


def tiles(path: Path, columns: int) -> NDArray[np.uint8]:
    """Return the tiles of a grid of 8x8 images, ``(rows, columns, 8, 8)``: one pixel of each enlarged one."""
    grid = np.asarray(Image.open(path))
    side = 64 + 2
    rows = grid.shape[0] // side
    assert grid.shape == (rows * side + 2, columns * side + 2)
    return grid[2:, 2:].reshape(rows, side, columns, side).swapaxes(1, 2)[..., 4:64:8, 4:64:8]


def save(path: Path, values: NDArray[np.generic]) -> Path:
    Image.fromarray(values).save(path)
    return path


def test_a_row_shows_coarse_image_decoder_draws_and_original(run: Path, tmp_path: Path) -> None:
    result = flowzoo("upscale", run, "--steps", "2", "--images", "3", "-o", tmp_path / "up.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"wrote {tmp_path / 'up.png'}",
        "columns: the 4x4 image, without noise, 4 draw(s) at temperature 1, the original",
    ]
    shown = tiles(tmp_path / "up.png", COLUMNS)
    coarse, plain, draws, original = shown[:, 0], shown[:, 1], shown[:, 2:6], shown[:, 6]
    np.testing.assert_array_equal(coarse, coarse[:, ::2, ::2].repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(original, np.rint(load_digits().images[1500:1503] * 255 / 16))
    assert (draws[:, 0] != draws[:, 1]).any()
    assert (draws[:, 0] != plain).any()


def test_the_picture_repeats_with_its_seed_and_draws_follow_the_temperature(
    run: Path, tmp_path: Path
) -> None:
    for name, options in {
        "a": (),
        "b": (),
        "c": ("--seed", "1"),
        "cold": ("--temperature", "0", "--draws", "2"),
    }.items():
        result = flowzoo("upscale", run, "--images", "2", "-o", tmp_path / f"{name}.png", *options)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
    cold = tiles(tmp_path / "cold.png", 5)
    np.testing.assert_array_equal(cold[:, 2], cold[:, 1])
    np.testing.assert_array_equal(cold[:, 3], cold[:, 1])


def test_without_steps_goes_down_to_the_coarsest_image(run: Path, tmp_path: Path) -> None:
    for name, steps in {"all": (), "two": ("--steps", "2")}.items():
        flowzoo("upscale", run, "--split", "validation", "-o", tmp_path / f"{name}.png", *steps)
    assert (tmp_path / "all.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert len(tiles(tmp_path / "all.png", COLUMNS)) == 8


def test_a_picture_of_one_s_own_is_scaled_up(run: Path, tmp_path: Path) -> None:
    values = np.arange(16, dtype=np.uint8).reshape(4, 4) * 17
    small = save(tmp_path / "small.png", values)
    output = tmp_path / "large.png"
    result = flowzoo("upscale", run, "--steps", "2", "--input", small, "--draws", "2", "-o", output)
    assert result.exit_code == 0, result.output
    assert (
        result.stdout.splitlines()[1] == "columns: the 4x4 image, without noise, 2 draw(s) at temperature 1"
    )
    (shown,) = tiles(output, 4)
    cells = np.floor((values + 0.5) / 256 * 17)
    np.testing.assert_array_equal(shown[0], np.rint(cells * 255 / 16).repeat(2, 0).repeat(2, 1))
    again = tmp_path / "again.png"
    colour = save(tmp_path / "colour.png", np.repeat(values[..., None], 3, axis=2))
    flowzoo("upscale", run, "--steps", "2", "--input", colour, "--draws", "2", "-o", again)
    assert output.read_bytes() == again.read_bytes()


def test_files_of_their_own_hold_what_the_picture_shows(run: Path, tmp_path: Path) -> None:
    options = ("--steps", "2", "--images", "2", "--draws", "1")
    for output in (("-o", tmp_path / "up.png"), ("--separate", "-o", tmp_path / "up")):
        result = flowzoo("upscale", run, *options, *output)
        assert result.exit_code == 0, result.output
    names = ("small", "plain", "draw-1", "original")
    assert {path.name for path in (tmp_path / "up").iterdir()} == {
        f"{row:04}-{name}.png" for row in range(2) for name in names
    }
    shown = tiles(tmp_path / "up.png", 4)
    for row in range(2):
        for column, name in enumerate(names):
            found = np.asarray(Image.open(tmp_path / "up" / f"{row:04}-{name}.png"))
            if name == "small":
                assert found.shape == (4, 4)
                found = found.repeat(2, 0).repeat(2, 1)
            np.testing.assert_array_equal(found, shown[row, column])


def test_a_saved_model_takes_the_data_set_that_is_named(run: Path, tmp_path: Path) -> None:
    options = ("--images", "2", "--draws", "1", "-o")
    assert flowzoo("upscale", run, *options, tmp_path / "run.png").exit_code == 0
    result = flowzoo("upscale", run / "model", *options, tmp_path / "saved.png")
    assert result.exit_code == 2
    assert "--data" in result.stderr
    result = flowzoo("upscale", run / "model", "--data", "digits", *options, tmp_path / "saved.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "saved.png").read_bytes() == (tmp_path / "run.png").read_bytes()
    result = flowzoo("upscale", run, "--data", "mnist-5k", *options, tmp_path / "other.png")
    assert result.exit_code == 2
    assert "1x32x32" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "3"], "steps is 3"),
        (["--steps", "1", "--input", "small.png"], "small.png is 4x4 pixels (height x width), expected 8x4"),
        (["--input", "deep.png"], "deep.png"),
        (["--input", "text.png"], "cannot read text.png as a picture"),
        (["--input", "none.png"], "cannot read none.png as a picture"),
        (["--input", "small.png", "--split", "test"], "--split"),
        (["--input", "small.png", "--images", "2"], "--images"),
        (["--split", "tset"], "no split 'tset' in digits; did you mean 'test'?"),
        (["--temperature", "-1"], "between 0 and 10"),
        (["--seed", "-1"], "the seed is -1"),
        (["-o", "up.jpg"], "does not end in .png"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    run: Path, options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "small.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    (tmp_path / "text.png").write_text("no picture")
    result = flowzoo("upscale", run, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_a_model_that_keeps_no_smaller_image_is_refused(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", "gaussian", "--set", "training.validation_images=8")
    result = flowzoo("upscale", whole, "-o", tmp_path / "up.png")
    assert result.exit_code == 2
    assert "has one level, so it keeps no smaller image" in result.stderr


def test_the_help_ends_with_an_example() -> None:
    result = flowzoo("upscale", "--help")
    assert result.exit_code == 0
    assert "--input small.png" in result.stdout
    assert "Example: flowzoo upscale runs/first --steps 2 -o upscaled.png" in result.stdout
