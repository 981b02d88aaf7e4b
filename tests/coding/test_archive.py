"""Compressed images come back exactly, at the length of the model's density, and damage is found."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.coding import local
from flowzoo.coding.archive import MAGIC, ArchiveError, compress, decompress
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.shapes import IntegerImages


@pytest.fixture(scope="module")
def images() -> IntegerImages:
    found: IntegerImages = flowzoo.load_dataset("digits")["test"][:4]
    return found


NETWORK = {"hidden": 4, "blocks": 1}
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "realnvp": {
        "levels": 2,
        "joint": {"checkerboard": 1, "channel": 1, "network": NETWORK},
        "last": {"checkerboard": 2, "network": NETWORK},
    },
    "wavelet-flow": {"levels": 2, "bijector": {"steps": 2, "network": {"hidden": 4}}},
}


def made(name: str, **options: Any) -> flowzoo.Flow:
    flow = flowzoo.create_model(name, (1, 8, 8), bins=17, seed=0, **OPTIONS.get(name, {}), **options)
    flow.initialise([flowzoo.load_dataset("digits")["train"][:300]])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in flow.parameters():
            each.add_(0.002 * torch.randn(each.shape, generator=generator))
    return flow


@pytest.fixture(scope="module")
def model() -> flowzoo.Flow:
    return made("realnvp")


@pytest.mark.parametrize("name", ["gaussian", "wavelet-flow", "realnvp"])
def test_the_length_is_the_models(name: str, images: IntegerImages, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = made(name)
    ideal = list[float]()
    locally = local.ImageCoder._local

    def watched(coder: local.ImageCoder, grid: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Note the model's own bits of what is coded, under the noise that was drawn."""
        x = (torch.tensor(grid, dtype=torch.float64) + 0.5) / (flow.bins << local.NOISE_BITS)
        with torch.no_grad():
            log_prob = float(coder.flow.log_prob(x.reshape(1, *flow.image_shape)))
        ideal.append(64 * math.log2(flow.bins) - log_prob / math.log(2))
        return locally(coder, grid)

    monkeypatch.setattr(local.ImageCoder, "_local", watched)
    found = compress(flow, images)
    assert found.net_bits == pytest.approx(sum(ideal), rel=0.02)
    assert torch.equal(decompress(flow, found.content), images)


def test_the_file_holds_all_bits(model: flowzoo.Flow, images: IntegerImages) -> None:
    found = compress(model, images[:2])
    body = len(found.content) - len(MAGIC)
    assert 8 * body >= found.net_bits + found.initial_bits
    assert found.bits_per_dim > found.net_bits_per_dim
    assert compress(model, images[:2]).content == found.content


def test_damage_and_other_models_are_found(model: flowzoo.Flow, images: IntegerImages) -> None:
    content = compress(model, images[:2]).content
    with pytest.raises(ArchiveError, match="compressed with another model"):
        decompress(made("gaussian"), content)
    with pytest.raises(ArchiveError, match="not a file of flowzoo compress"):
        decompress(model, b"PK" + content)
    for cut in (len(MAGIC) + 2, len(MAGIC) + 40, len(content) - 1):
        with pytest.raises(ArchiveError, match="cut short"):
            decompress(model, content[:cut])
    with pytest.raises(ArchiveError, match="is damaged"):
        decompress(model, content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(ArchiveError, match="of another version"):
        decompress(model, content.replace(b"images 1", b"images 9", 1))


def test_what_cannot_code_is_refused(images: IntegerImages) -> None:
    solving = made(
        "ffjord",
        normalise="standardise",
        bijector={"network": {"name": "conv-field", "hidden": 4, "layers": 2}},
    )
    with pytest.raises(OptionError, match="solves ODEs"):
        compress(solving, images)
    gaussian = made("gaussian")
    with pytest.raises(ShapeError, match="these have"):
        compress(gaussian, images[:, :, :4])
    with pytest.raises(DataError, match="no images to compress"):
        compress(gaussian, images[:0])
    with pytest.raises(DataError):
        compress(gaussian, images + 4)


def test_the_commands(tmp_path: Path, images: IntegerImages) -> None:
    flowzoo.save_model(made("gaussian"), tmp_path / "model")
    file, again = tmp_path / "digits.fz", tmp_path / "again.npy"
    run = str(tmp_path / "model")
    shown = CliRunner().invoke(app, ["compress", run, "--data", "digits", "--images", "3", "-o", str(file)])
    assert shown.exit_code == 0, shown.output
    assert "3 images" in shown.stdout
    assert "as one png file" in shown.stdout
    shown = CliRunner().invoke(app, ["decompress", run, str(file), "-o", str(again)])
    assert shown.exit_code == 0, shown.output
    np.testing.assert_array_equal(np.load(again), images[:3].numpy())
    shown = CliRunner().invoke(app, ["decompress", run, str(file), "-o", "again.gif"])
    assert shown.exit_code == 2
    assert "must end in .npy or .png" in shown.stderr
    shown = CliRunner().invoke(app, ["decompress", run, str(tmp_path / "none.fz")])
    assert shown.exit_code == 2
    assert shown.stderr.startswith("error: there is no file")


def test_a_header_that_asks_for_more_images_than_there_are(images: IntegerImages) -> None:
    flow = made("gaussian")
    whole = compress(flow, images[:1]).content
    assert b'"images":1,' in whole
    start = len(MAGIC) + 4
    length = int.from_bytes(whole[len(MAGIC) : start], "little")
    header = whole[start : start + length].replace(b'"images":1,', b'"images":999999999,')
    forged = MAGIC + len(header).to_bytes(4, "little") + header + whole[start + length :]
    with pytest.raises(ArchiveError):
        decompress(flow, forged)
