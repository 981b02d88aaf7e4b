"""The commands about latents: what stands where in their pictures, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner, Result

from flowzoo.call import Call, per_image_generators
from flowzoo.cli.app import app
from flowzoo.data.load import load_dataset
from flowzoo.perturbation import randomise
from flowzoo.pictures import quantise
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model, save_model
from flowzoo.scaling import project
from flowzoo.scoring import fit_splits

NETWORK = {"name": "dense", "hidden": 4, "layers": 1}
DIGITS = ("--data", "digits")


def flowzoo(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: str | Path | int) -> list[str]:
    """Run a command that has to succeed, and return the lines that it prints."""
    result = flowzoo(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = load_dataset("digits")
    flow = create_model(
        "pnf",
        data.info.shape,
        bins=data.info.bins,
        pixels=data.info.pixels,
        seed=0,
        levels=3,
        bijector={"checkerboard": 1, "channel": 0, "network": NETWORK},
    )
    flow.initialise([data["train"][:300]])
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(flow, folder)
    return folder


def tiles(path: Path, columns: int) -> NDArray[np.uint8]:
    """Return the tiles of a grid of 8x8 images, ``(rows, columns, 8, 8)``: one pixel of each enlarged one."""
    with Image.open(path) as picture:
        grid = np.asarray(picture.convert("L"))
    side = 64 + 2
    rows = grid.shape[0] // side
    assert grid.shape == (rows * side + 2, columns * side + 2)
    return grid[2:, 2:].reshape(rows, side, columns, side).swapaxes(1, 2)[..., 4:64:8, 4:64:8]


def digit(index: int) -> NDArray[np.float64]:
    """Return an image of the test split as it is drawn."""
    found: NDArray[np.float64] = np.rint(load_digits().images[1500 + index] * 255 / 16)
    return found


def test_a_row_goes_from_one_image_to_the_other(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.png"
    lines = done("interpolate", model, *DIGITS, "--images", 2, "--steps", 4, "-o", output)
    assert lines[:2] == [f"wrote {output}", "columns: 4 images from the first to the second, linear"]
    shown = tiles(output, 4)
    for row, (start, end) in enumerate([(0, 1), (2, 3)]):
        np.testing.assert_array_equal(shown[row, 0], digit(start))
        np.testing.assert_array_equal(shown[row, -1], digit(end))
        assert (shown[row, 1] != shown[row, 2]).any()


def test_images_are_chosen_by_number_or_given_as_files(model: Path, tmp_path: Path) -> None:
    file, output = tmp_path / "five.png", tmp_path / "a.png"
    Image.fromarray(digit(5).astype(np.uint8)).save(file)
    pairs = ("--from", 3, "--to", 7, "--from", file, "--to", 2)
    done("interpolate", model, *DIGITS, *pairs, "--steps", 3, "--path", "spherical", "-o", output)
    shown = tiles(output, 3)
    assert len(shown) == 2
    for place, index in [((0, 0), 3), ((0, 2), 7), ((1, 0), 5), ((1, 2), 2)]:
        np.testing.assert_array_equal(shown[place], digit(index))
    done("interpolate", model, "--from", file, "--to", file, "--steps", 2, "-o", output)
    np.testing.assert_array_equal(tiles(output, 2)[0, 1], digit(5))


def test_with_some_levels_the_second_image_stands_at_the_end(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.png"
    lines = done("interpolate", model, *DIGITS, "--images", 1, "--steps", 3, "--levels", "2", "-o", output)
    assert "level 2" in lines[1]
    (shown,) = tiles(output, 4)
    np.testing.assert_array_equal(shown[0], digit(0))
    np.testing.assert_array_equal(shown[3], digit(1))
    assert (shown[2] != shown[0]).any()
    assert (shown[2] != shown[3]).any()


def test_kept_levels_give_back_the_image_and_drawn_ones_samples(model: Path, tmp_path: Path) -> None:
    output, samples = tmp_path / "a.png", tmp_path / "samples.png"
    options = (*DIGITS, "--images", 3, "--draws", 2, "--seed", 4, "-o", output)
    assert "all levels" in done("reconstruct", model, "--keep", "all", *options)[1]
    shown = tiles(output, 3)
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(shown[row, column], digit(row))
    done("reconstruct", model, "--keep", "none", *options)
    done("sample", model, "-n", 3, "--seed", 4, "--columns", 1, "-o", samples)
    np.testing.assert_array_equal(tiles(output, 3)[:, 1], tiles(samples, 1)[:, 0])


def test_a_projection_stands_beside_its_original_with_their_distance(model: Path, tmp_path: Path) -> None:
    output, cold = tmp_path / "a.png", tmp_path / "cold.png"
    options = (*DIGITS, "--images", 2, "-o")
    lines = done("project", model, "--steps", 1, *options, output)
    keep = ("--keep", "1,2", "--temperature", 0, "--draws", 1)
    done("reconstruct", model, *keep, *options, cold)
    shown = tiles(output, 3)
    np.testing.assert_array_equal(shown[:, 0], [digit(0), digit(1)])
    np.testing.assert_array_equal(shown[:, 1], tiles(cold, 2)[:, 1])
    off = shown[:, 0].astype(float) - shown[:, 1]
    assert np.abs((shown[:, 2] - 127.5) * 2 - off).max() <= 48  # three steps of 16
    shown_distance = float(lines[2].split()[2])
    assert shown_distance == pytest.approx(np.sqrt((off**2).mean((1, 2))).mean() / 255 * 16 / 17, rel=0.1)


def test_a_draw_unfolds_in_a_gif_and_in_a_picture(model: Path, tmp_path: Path) -> None:
    gif, png, samples = tmp_path / "a.gif", tmp_path / "a.png", tmp_path / "samples.png"
    options = ("-n", 4, "--seed", 3)
    assert done("unfold", model, *options, "-o", gif)[1] == "frames: the images of 3 levels, 4x4, 8x4, 8x8"
    assert done("unfold", model, *options, "-o", png)[1] == "columns: the images of 3 levels, 4x4, 8x4, 8x8"
    done("sample", model, *options, "-o", samples)
    expected = tiles(samples, 2).reshape(4, 8, 8)
    columns = tiles(png, 3)
    np.testing.assert_array_equal(columns[:, 2], expected)
    coarse = columns[:, 0]
    np.testing.assert_array_equal(coarse, coarse[:, ::2, ::2].repeat(2, 1).repeat(2, 2))
    with Image.open(gif) as animation:
        assert animation.n_frames == 3
        durations = []
        for place in range(3):
            animation.seek(place)
            durations.append(animation.info["duration"])
            animation.copy().save(tmp_path / "frame.png")
            shown = tiles(tmp_path / "frame.png", 2).reshape(4, 8, 8)
            np.testing.assert_array_equal(shown, columns[:, place])
    assert durations == [800, 800, 2400]


def test_known_pixels_stay_and_missing_ones_are_drawn(model: Path, tmp_path: Path) -> None:
    output, mask = tmp_path / "a.png", tmp_path / "mask.png"
    options = (*DIGITS, "--images", 2, "--draws", 2, "--steps", 4)
    lines = done("inpaint", model, *options, "--missing", "right", "-o", output)
    assert lines[1] == "columns: the original, its known pixels, 2 completion(s) after 4 steps"
    shown = tiles(output, 4)
    for row in range(2):
        np.testing.assert_array_equal(shown[row, 0], digit(row))
        for column in (1, 2, 3):
            np.testing.assert_array_equal(shown[row, column, :, :4], digit(row)[:, :4])
        assert (shown[row, 1, :, 4:] == shown[row, 1, 0, 4]).all()
        assert (shown[row, 2] != shown[row, 3]).any()
    bright = np.zeros((8, 8), np.uint8)
    bright[:, 4:] = 255
    Image.fromarray(bright).save(mask)
    done("inpaint", model, *options, "--mask", mask, "-o", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == output.read_bytes()


def test_scores_stand_beside_the_levels_of_the_pixels(tmp_path: Path) -> None:
    flow = create_model(
        "lcma", (1, 8, 8), pixels="affine", seed=0, levels=2, joint={"network": {"hidden": 4}}
    )
    scores = torch.arange(64.0).double()
    fit_splits(flow, [scores])
    flow.initialise([torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))])
    save_model(flow, tmp_path / "model")
    lines = done("splits", tmp_path / "model", "-o", tmp_path / "splits.png")
    assert "level 0: 32, level 1: 32" in lines[0]
    assert "scores" in lines[1]
    picture = np.asarray(Image.open(tmp_path / "splits.png"))
    assert picture.shape[1] > 2 * 224
    cells = picture[8 + 16 + 14 :: 28][:8]
    # Of each block the lower row has the higher scores, so it goes on: black, white, black, ...
    assert cells[:, 16 + 14, 0].tolist() == [0, 255] * 4
    # Brighter with the score, from row to row.
    brightness = cells[:, 16 + 224 + 16 + 14].astype(int).sum(1)
    assert (np.diff(brightness) > 0).all()


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("interpolate", ("--images", 100, "--split", "validation", "--levels", 3), "no level 3"),
        ("interpolate", ("--from", 297, "--to", 0), "no image 297"),
        ("interpolate", ("--from", -1, "--to", 0), "no image -1"),
        ("interpolate", ("--from", 1), "--to"),
        ("interpolate", ("--from", 1, "--to", 2, "--images", 1), "--images"),
        ("interpolate", ("--from", "small.png", "--to", 2), "small.png is 4x4"),
        ("interpolate", ("--from", "none.png", "--to", 2), "none.png"),
        ("interpolate", ("--levels", "first"), "--levels is 'first'"),
        ("interpolate", ("--path", "curved"), "curved"),
        ("reconstruct", (), "--keep"),
        ("reconstruct", ("--keep", "0,3"), "no level 3"),
        ("reconstruct", ("--keep", "0", "--temperature", -1), "temperature"),
        ("unfold", ("--temperature", "1e30"), "between 0 and 10"),
        ("project", ("--class", 1), "without classes"),
        ("reconstruct", ("--keep", "0", "--input", "small.png"), "--data"),
        ("project", ("--steps", 3), "steps is 3"),
        ("project", ("--split", "tset"), "tset"),
        ("inpaint", ("--missing", "top", "--mask", "small.png"), "--mask"),
        ("inpaint", ("--mask", "small.png"), "small.png is 4x4"),
        ("inpaint", ("-o", "a.jpg"), ".png"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    options: tuple[str | int, ...],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save("small.png")
    result = flowzoo(command, model, *(() if command == "unfold" else DIGITS), *options)
    assert result.exit_code == 2, result.output
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["small.png"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of two levels with ten classes, which all change the images."""
    data = load_dataset("digits")
    couplings = {"checkerboard": 1, "channel": 0, "network": NETWORK}
    flow = create_model("pnf", (1, 8, 8), bins=17, seed=0, classes=10, levels=2, bijector=couplings)
    flow.initialise([data["train"][:300]])
    randomise(flow, 0)
    folder = tmp_path_factory.mktemp("labelled") / "model"
    save_model(flow, folder)
    return folder


def test_images_are_encoded_and_decoded_with_a_class(labelled: Path, tmp_path: Path) -> None:
    flow, test = load_model(labelled), load_dataset("digits")["test"]
    x = flow.dequantise(test[:3], Call(generator=per_image_generators(0, range(3)))).x
    for asked, labels in {"4": 4, "own": test.labels_at(range(3))}.items():
        output = tmp_path / "a.png"
        done("project", labelled, *DIGITS, "--images", 3, "--class", asked, "-o", output)
        expected = quantise(project(flow, x, 1, labels=labels), 17) * 255.0 / 16
        np.testing.assert_allclose(tiles(output, 3)[:, 1], expected[:, 0], atol=1.0)
    # Images 0 and 10 of the test split have one class, 0 and 1 have not.
    same = ("--from", 0, "--to", int((test.labels[1:] == test.labels[0]).nonzero()[0]) + 1)
    done("interpolate", labelled, *DIGITS, *same, "--class", "own", "-o", tmp_path / "path.png")


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("interpolate", ("--class", "own"), "classes"),
        ("interpolate", ("--class", 10), "no class 10"),
        ("reconstruct", ("--keep", "1", "--class", "three"), "--class is 'three'"),
        ("unfold", ("--class", "own"), "--class"),
    ],
)
def test_wrong_classes_get_one_line(
    labelled: Path, tmp_path: Path, command: str, options: tuple[str | int, ...], named: str
) -> None:
    data = () if command == "unfold" else DIGITS
    result = flowzoo(command, labelled, *data, *options, "-o", tmp_path / "a.png")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert named in line
    assert not list(tmp_path.iterdir())


def test_models_that_cannot_are_refused(tmp_path: Path) -> None:
    flow = create_model("gaussian", (1, 8, 8), bins=17, seed=0)
    flow.initialise([torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0))])
    save_model(flow, tmp_path / "model")
    for command, options, named in [
        ("unfold", ("-o", tmp_path / "a.gif"), "one level"),
        ("project", (*DIGITS, "-o", tmp_path / "a.png"), "one level"),
        ("splits", ("-o", tmp_path / "a.png"), "one level"),
        ("upscale", (*DIGITS, "-o", tmp_path / "a.png"), "one level"),
        ("unfold", ("-o", tmp_path / "a.jpg"), ".gif"),
    ]:
        result = flowzoo(command, tmp_path / "model", *options)
        assert result.exit_code == 2, result.output
        (line,) = result.stderr.splitlines()
        assert named in line
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
