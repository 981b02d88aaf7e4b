import sys

import numpy as np
import pytest
import skimage.data

from flowzoo.data.lfw_subset import build_lfw_subset
from flowzoo.errors import DataError

SPLITS = ("train", "validation", "test")


def test_the_faces_are_the_first_half_of_the_librarys_rounded_and_cut():
    dataset = build_lfw_subset()
    found = np.concatenate([dataset[split].take(range(len(dataset[split]))).numpy() for split in SPLITS])
    published = skimage.data.lfw_subset()[:100, :24, :24]
    assert found.shape == (100, 1, 24, 24)
    assert np.abs(found[:, 0] / 255 - published).max() <= 0.5 / 255 + 1e-12


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(DataError, match=r"pip install 'flowzoo\[photos\]'") as caught:
        build_lfw_subset()
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "lfw_subset.npy").write_bytes(b"\x93NUMPY damaged")
    monkeypatch.setattr("flowzoo.data.lfw_subset.resources.files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"cannot read lfw_subset\.npy") as caught:
        build_lfw_subset()
    assert "\n" not in str(caught.value)
