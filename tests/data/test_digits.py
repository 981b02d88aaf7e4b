import numpy as np
import pytest
from sklearn.datasets import load_digits

from flowzoo.data.digits import build_digits


@pytest.mark.parametrize(
    ("split", "start", "stop"), [("train", 0, 1350), ("validation", 1350, 1500), ("test", 1500, 1797)]
)
def test_splits_are_scikit_learns_images_in_its_order(split, start, stop):
    source = build_digits().split(split)
    images = source.take(range(len(source))).numpy()
    assert np.array_equal(images[:, 0], load_digits().images[start:stop])


def test_info():
    info = build_digits().info
    assert info.shape == (1, 8, 8)
    assert info.bins == 17
    assert info.pixels == {"name": "logit", "alpha": 1e-3}
    assert info.sizes == {"train": 1350, "validation": 150, "test": 297}


def test_revision_is_that_of_every_other_copy():
    # The figure is the hash of the published images: results on another set must not pass for theirs.
    assert build_digits().info.revision == "a2aa74bf65dd5fde"
