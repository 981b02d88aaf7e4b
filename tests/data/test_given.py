"""Arrays, names and data sets, as a user gives them in Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowzoo.data.given import as_dataset, only_to_evaluate
from flowzoo.data.load import load_dataset
from flowzoo.errors import DataError, UnknownNameError


def images(count: int = 30, shape: tuple[int, ...] = (3, 4, 6)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_one_array_is_divided(kind):
    dataset = as_dataset(kind(images()))
    assert dataset.info.sizes == {"train": 25, "validation": 2, "test": 3}
    assert dataset.info.shape == (3, 4, 6)
    every = {bytes(each.numpy()) for source in dataset.splits.values() for each in source}
    assert every == {each.tobytes() for each in images()}


def test_splits_of_ones_own_are_kept_and_validation_is_held_out():
    dataset = as_dataset({"test": images(4), "train": images(20)})
    assert dataset.info.sizes == {"train": 18, "validation": 2, "test": 4}
    assert as_dataset({split: images(5) for split in dataset.splits}).info.sizes["train"] == 5


def test_a_name_and_a_data_set_are_taken_as_they_are():
    digits = load_dataset("digits")
    assert as_dataset(digits) is digits
    assert as_dataset("digits").info == digits.info


def test_a_folder_of_images_is_taken_as_a_path(tmp_path):
    with pytest.raises(DataError, match=tmp_path.name):
        as_dataset(tmp_path)


def test_all_images_of_an_array_are_evaluated():
    dataset = only_to_evaluate(images())
    assert torch.equal(dataset["test"][:], torch.from_numpy(images()))
    with pytest.raises(UnknownNameError):
        dataset.split("train")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (images(shape=(8, 8)), r"\[:, None\]"),
        (images(shape=(8, 8, 3)), "transpose"),
        (images(2), "3"),
        (images()[0, 0], r"\(N, C, H, W\)"),
        ([1, 2], "list"),
        (images() / 256, "fractions"),
        (images().astype(complex), "complex"),
        (images() > 100, "bool"),
        (images().astype(object), "object"),
        (images().astype(str), "U"),
        (torch.from_numpy(images()).bfloat16(), "bfloat16"),
        (torch.from_numpy(images()).to_sparse(), "sparse"),
        (torch.from_numpy(images()).to("meta"), "meta"),
        ({"train": images(1), "test": images()}, "validation"),
        ({"train": images()}, "'test'"),
    ],
)
def test_other_arrays_are_refused(given, named, as_users_run_it):
    with pytest.raises(DataError, match=named):
        as_dataset(given)


def test_a_wrong_name_of_a_split_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="'train'"):
        as_dataset({"trian": images(), "test": images()})
