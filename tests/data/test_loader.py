"""Data sets in ``torch.utils.data.DataLoader``: workers, shuffling, samplers."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler, Subset

from flowzoo.data.dataset import ImageSource
from flowzoo.data.load import load_dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place in range(24):
        pixels = np.random.default_rng(place).integers(0, 256, (10, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place:02}.png")
    return tmp_path


def everything(source: ImageSource) -> torch.Tensor:
    return source.take(range(len(source)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_gives_the_images_in_their_order(folder: Path, workers: int) -> None:
    source = load_dataset("images", root=folder, size=[8, 12])["train"]
    assert isinstance(source, Dataset)
    batches = [*DataLoader(source, batch_size=8, num_workers=workers)]
    assert [len(batch) for batch in batches] == [8, 8, 4]
    assert batches[0].dtype == torch.uint8
    assert torch.equal(torch.cat(batches), everything(source))


def test_a_loader_shuffles_and_takes_samplers() -> None:
    source = load_dataset("digits")["test"]
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.cat([*DataLoader(source, batch_size=50, shuffle=True, generator=generator)])
    assert not torch.equal(shuffled, everything(source))
    assert torch.equal(shuffled.sum(0), everything(source).sum(0))
    drawn = DataLoader(source, batch_size=4, sampler=RandomSampler(source, num_samples=12))
    assert [batch.shape for batch in drawn] == [(4, 1, 8, 8)] * 3
    assert len([*DataLoader(Subset(source, range(10)), batch_size=None)]) == 10


@pytest.mark.parametrize("options", [{"size": [8, 12]}, {"size": 8}, {"size": "keep"}])
def test_sources_are_sent_to_processes_that_start_anew(folder: Path, options: dict[str, object]) -> None:
    for source in load_dataset("images", root=folder, **options).splits.values():
        assert torch.equal(everything(pickle.loads(pickle.dumps(source))), everything(source))


def test_one_image_a_slice_and_the_end() -> None:
    source = load_dataset("digits")["test"]
    whole = everything(source)
    assert torch.equal(source[3], whole[3])
    assert torch.equal(source[-1], whole[-1])
    assert torch.equal(source[np.int64(5)], whole[5])
    assert torch.equal(source[2:20:3], whole[2:20:3])
    for beyond in (len(source), -len(source) - 1):
        with pytest.raises(IndexError):
            source[beyond]
    assert len([*source]) == len(source)
