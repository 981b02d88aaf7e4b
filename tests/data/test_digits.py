import subprocess
import sys

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


def test_they_are_the_same_wherever_scikit_learn_keeps_them(monkeypatch):
    read = build_digits().info
    monkeypatch.setattr("flowzoo.data.digits.find_spec", lambda name: None)
    assert build_digits().info == read


def test_scikit_learn_is_not_imported_for_them():
    code = "import sys; from flowzoo.data.digits import build_digits as load; load();"
    code += " print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
