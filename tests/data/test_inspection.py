from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, ImageSource, TensorImages
from flowzoo.data.inspection import inspect_dataset, inspect_split
from flowzoo.data.load import load_dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError


def draw(path, seed, mode="RGB", size=8, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for split, count in (("train", 12), ("val", 4), ("test", 6)):
        for place in range(count):
            draw(tmp_path / split / f"{place}.png", seed=hash((split, place)) % 2**32)
    return tmp_path


def load(folder, **options):
    return load_dataset("images", root=str(folder), size=8, **options)


def test_nothing_is_found_in_good_images(folder):
    seen = []
    findings = inspect_dataset(load(folder), lambda done, total: seen.append((done, total)))
    assert (findings.changed, findings.shared) == ({}, {})
    assert seen == [(12, 22), (16, 22), (22, 22)]


def test_all_damaged_images_of_all_splits_are_named(folder):
    for path in ("train/3.png", "val/2.png", "test/4.png"):
        (folder / path).write_bytes((folder / path).read_bytes()[:60])
    with pytest.raises(DataError, match=r"3 of 22 images .*3\.png.*2\.png.*4\.png") as caught:
        inspect_dataset(load(folder))
    assert "\n" not in str(caught.value)


def test_the_first_few_of_many_are_named_and_the_others_counted(folder):
    for place in range(9):
        (folder / "train" / f"{place}.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"9 of 22 images .* and 4 more"):
        inspect_dataset(load(folder))


def test_images_whose_bits_would_be_cut_are_named(folder):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(folder / "test" / "3.png")
    with pytest.raises(DataError, match=r"3\.png .*16 bits"):
        inspect_dataset(load(folder))


def test_changes_are_counted(folder):
    draw(folder / "train" / "a.png", 100, "RGBA")
    draw(folder / "train" / "b.png", 101, "L")
    draw(folder / "test" / "c.png", 102, "L", size=5)
    draw(folder / "val" / "d.gif", 103, "P")
    assert inspect_dataset(load(folder)).changed == {
        "alpha channel left out": 1,
        "grey repeated for colour": 2,
        "scaled up, from fewer pixels than asked for": 1,
        "colours looked up in a palette": 1,
    }
    assert inspect_dataset(load(folder, channels=1)).changed["colour weighted for grey"] == 24


def test_images_in_two_splits_are_counted_whatever_their_files_are(folder):
    Image.open(folder / "train" / "0.png").save(folder / "test" / "same values.bmp")
    (folder / "val" / "copy.png").write_bytes((folder / "train" / "1.png").read_bytes())
    (folder / "test" / "copy.png").write_bytes((folder / "train" / "1.png").read_bytes())
    assert inspect_dataset(load(folder)).shared == {
        "validation in train": 1,
        "test in train": 2,
        "test in validation": 1,
    }


def test_arrays_in_memory_are_inspected_too():
    images = np.random.default_rng(0).integers(0, 4, (9, 1, 4, 4))
    data = in_memory(
        "tiny",
        {"train": images[:5], "validation": images[5:7], "test": images[[7, 8, 0]]},
        bins=4,
        licence="CC0-1.0",
        source="made here",
        pixels={"name": "affine"},
        changed={"something": 3},
    )
    findings = inspect_dataset(data)
    assert (findings.changed, findings.shared) == ({"something": 3}, {"test in train": 1})


class Flaky(ImageSource):
    """A source that fails on some images as readers of others' plugins do."""

    def __len__(self):
        return 6

    def take(self, indices):
        if {2, 4} & set(indices):
            raise OSError("bad block\nand more")
        return torch.arange(len(indices), dtype=torch.uint8).reshape(-1, 1, 1, 1)


def described(sources, shape=(1, 1, 1), bins=256):
    info = DatasetInfo("theirs", "0", shape, bins, "CC0-1.0", "here", {"name": "affine"}, {})
    return Dataset(info, sources)


def test_a_source_that_raises_whatever_it_likes_is_named_image_by_image():
    good = TensorImages(torch.full((2, 1, 1, 1), 200, dtype=torch.uint8))
    data = described({"train": good, "validation": good, "test": Flaky()})
    with pytest.raises(DataError, match=r"2 of 10 images .*image 2 .*OSError: bad block.*image 4 ") as caught:
        inspect_dataset(data)
    assert "\n" not in str(caught.value)
    inspect_split(data, "train")
    with pytest.raises(DataError, match="image 4"):
        inspect_split(data, "test")
    found = Flaky().inspect(range(6))
    assert (len(found.images), found.changed) == (4, Counter())


@pytest.mark.parametrize(("stated", "said"), [({"bins": 100}, "value 200"), ({"shape": (3, 1, 1)}, "shape")])
def test_a_data_set_that_is_not_what_it_says_is_refused(stated, said):
    good = TensorImages(torch.full((2, 1, 1, 1), 200, dtype=torch.uint8))
    with pytest.raises(DataError, match=said):
        inspect_dataset(described(dict.fromkeys(SPLITS, good), **stated))
