from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.errors import OptionError
from flowzoo.pictures import save_grid


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
