import pytest
import torch

from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, TensorImages
from flowzoo.errors import UnknownNameError


@pytest.fixture
def dataset() -> Dataset:
    info = DatasetInfo("tiny", "0", (1, 2, 2), 256, "CC0-1.0", "made here", {"name": "logit"}, {})
    images = torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2)
    return Dataset(info, {split: TensorImages(images + place) for place, split in enumerate(SPLITS)})


def test_a_split_is_found_by_name(dataset):
    assert int(dataset.split("test").take([0])[0, 0, 0, 0]) == 2


def test_an_unknown_split_is_refused_with_the_nearest(dataset):
    with pytest.raises(
        UnknownNameError,
        match=r"no split 'tets' in tiny; did you mean 'test'\? splits: train, validation, test",
    ):
        dataset.split("tets")


def test_a_name_near_to_none_still_gets_the_list(dataset):
    with pytest.raises(UnknownNameError, match="no split 'zzz' in tiny; splits: train, validation, test"):
        dataset.split("zzz")


@pytest.mark.parametrize("indices", [[2, 0, 2], range(1, 3)])
def test_images_come_in_the_order_asked_for(indices):
    images = torch.randint(
        0, 256, (3, 2, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    taken = TensorImages(images).take(indices)
    assert taken.dtype == torch.uint8
    assert torch.equal(taken, torch.stack([images[i] for i in indices]))


def test_taken_images_are_a_copy():
    images = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    source = TensorImages(images)
    source.take(range(2)).fill_(7)
    assert not source.take([0]).any()
