from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.pictures import load_picture, save_each, save_grid
from tests.test_decoding import deep_png


def test_a_grid_shows_the_images_row_by_row(tmp_path: Path) -> None:
    images = torch.zeros(3, 3, 32, 32)
    images[0, 0], images[1, 1], images[2, 2] = 0.999, 0.999, 0.999
    save_grid(images, tmp_path / "grid.png", bins=256, columns=2)
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert pixels.shape == (134, 134, 3)
    assert pixels[20, 20].tolist() == [255, 0, 0]
    assert pixels[20, 100].tolist() == [0, 255, 0]
    assert pixels[100, 20].tolist() == [0, 0, 255]


def test_small_grey_images_are_enlarged_and_their_highest_level_is_white(tmp_path: Path) -> None:
    save_grid(torch.full((1, 1, 8, 8), 16.5 / 17), tmp_path / "one.png", bins=17)
    pixels = np.asarray(Image.open(tmp_path / "one.png"))
    assert pixels.shape == (68, 68)
    assert pixels[30, 30] == 255


@pytest.mark.parametrize(
    ("channels", "name", "message"),
    [(2, "a.png", "1 or 3"), (1, "a.jpg", "end in .png"), (1, "no/a.png", "no folder")],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, channels: int, name: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        save_grid(torch.zeros(1, channels, 4, 4), tmp_path / name, bins=256)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_read_grey_or_in_colour_as_asked(tmp_path: Path, mode: str, channels: int) -> None:
    values = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
    Image.fromarray(values).convert(mode).save(tmp_path / "small.png")
    found = load_picture(tmp_path / "small.png", (channels, 2, 3))
    assert found.dtype == torch.float64
    expected = torch.from_numpy((values + 0.5) / 256).expand(1, channels, 2, 3)
    torch.testing.assert_close(found, expected)


def test_colours_keep_their_order(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (255, 0, 127)).save(tmp_path / "pink.png")
    found = load_picture(tmp_path / "pink.png", (3, 2, 3))
    assert (found[0, :, 0, 0] * 256 - 0.5).tolist() == [255.0, 0.0, 127.0]


def test_what_is_no_such_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2)).save(tmp_path / "small.png")
    Image.new("I;16", (3, 2)).save(tmp_path / "deep.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "small.png").read_bytes()[:20])
    with pytest.raises(ShapeError, match=r"is 2x3 pixels \(height x width\), expected 3x2"):
        load_picture(tmp_path / "small.png", (3, 3, 2))
    with pytest.raises(OptionError, match="1 or 3 channels"):
        load_picture(tmp_path / "small.png", (2, 2, 3))
    with pytest.raises(DataError, match="I;16"):
        load_picture(tmp_path / "deep.png", (1, 2, 3))
    for name in ("text.png", "cut.png", "none.png", "."):
        with pytest.raises(DataError, match="as a picture"):
            load_picture(tmp_path / name, (1, 2, 3))


def test_a_colour_picture_of_16_bits_is_refused_rather_than_cut(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(deep_png(2, 3))
    with pytest.raises(DataError, match="8 bits a value"):
        load_picture(path, (3, 4, 4))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_images_are_written_one_by_one_at_their_own_size(tmp_path: Path, channels: int, mode: str) -> None:
    images = torch.rand(3, channels, 4, 6, generator=torch.Generator().manual_seed(0))
    paths = [tmp_path / f"{place}.png" for place in range(3)]
    save_each(images, paths, bins=256)
    for path, image in zip(paths, images, strict=True):
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((6, 4), mode)
        found = load_picture(path, (channels, 4, 6))[0]
        torch.testing.assert_close(found, image.double(), atol=0.5 / 256, rtol=0)
