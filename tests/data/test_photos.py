import importlib.util

import pytest
import skimage.data
from sklearn.datasets import load_sample_image

from flowzoo.data import photos
from flowzoo.data.photos import build_photos
from flowzoo.errors import DataError

SIZES = {
    16: {"train": 124_950, "validation": 1980, "test": 3005},
    32: {"train": 29_613, "validation": 459, "test": 736},
    64: {"train": 6638, "validation": 104, "test": 174},
}


def as_set(images):
    return {image.tobytes() for image in images}


def images_of(dataset, split):
    source = dataset.split(split)
    return source.take(range(len(source))).numpy()


def tiles(photograph, size):
    """Patches that do not overlap, cut one by one."""
    height, width, _ = photograph.shape
    return [
        photograph[top : top + size, left : left + size].transpose(2, 0, 1)
        for top in range(0, height - size + 1, size)
        for left in range(0, width - size + 1, size)
    ]


@pytest.mark.parametrize("size", [16, 32, 64])
def test_test_patches_tile_the_photographs_that_the_libraries_give(size):
    whole = [skimage.data.coffee(), skimage.data.rocket(), load_sample_image("china.jpg")]
    expected = [tile for photograph in whole for tile in tiles(photograph, size)]
    found = images_of(build_photos(size=size), "test")
    assert len(found) == len(expected)
    assert as_set(found) == as_set(expected)


def test_training_patches_lie_six_pixels_apart():
    known = as_set(images_of(build_photos(), "train"))
    astronaut = skimage.data.astronaut().transpose(2, 0, 1)
    for top, left in ((0, 0), (6, 0), (0, 6), (300, 240), (480, 480)):
        assert astronaut[:, top : top + 32, left : left + 32].tobytes() in known
    assert astronaut[:, 303:335, 243:275].tobytes() not in known


def test_of_a_large_photograph_the_centre_is_used():
    known = as_set(images_of(build_photos(), "train"))
    hubble = skimage.data.hubble_deep_field().transpose(2, 0, 1)  # 872 by 1000
    assert hubble[:, 180:212, 180:212].tobytes() in known
    assert hubble[:, 174:206, 180:212].tobytes() not in known


@pytest.mark.parametrize("size", [16, 32, 64])
def test_info(size):
    info = build_photos(size=size).info
    assert (info.name, info.shape, info.bins) == ("photos", (3, size, size), 256)
    assert info.pixels == {"name": "logit", "alpha": 0.05}
    assert info.sizes == SIZES[size]


def test_the_first_patches_of_a_split_show_all_its_photographs():
    first = as_set(images_of(build_photos(), "test")[:50])
    for photograph in (skimage.data.coffee(), skimage.data.rocket(), load_sample_image("china.jpg")):
        assert first & as_set(tiles(photograph, 32))


def test_revision_is_that_of_every_other_copy():
    # The figure is the hash of the decoded photographs: a decoder that rounds otherwise makes another set.
    assert build_photos().info.revision == "ee9f7df72fbe4b28"


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    missing = "no_such_library_of_photographs"
    assert importlib.util.find_spec(missing) is None
    monkeypatch.setattr(photos, "PHOTOGRAPHS", {"train": ((missing, "astronaut.png"),)})
    with pytest.raises(DataError, match=r"pip install 'flowzoo\[photos\]'"):
        build_photos()


@pytest.mark.parametrize(
    ("package", "name"), [("skimage.data", "no.png"), ("skimage.data", "lfw_subset.npy")]
)
def test_a_missing_or_damaged_photograph_is_one_line(monkeypatch, package, name):
    monkeypatch.setattr(photos, "PHOTOGRAPHS", {"train": ((package, name),)})
    with pytest.raises(DataError, match=rf"cannot read {name} in the installed {package}: ") as caught:
        build_photos()
    assert "\n" not in str(caught.value)
