import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.data.on_disk import hold_out, on_disk
from flowzoo.data.stored import ImageFiles, exactly
from flowzoo.errors import DataError


def write(folder, count, seed, size=4):
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    paths = [folder / f"{place:04}.png" for place in range(count)]
    for path, each in zip(paths, pixels, strict=True):
        Image.fromarray(each).save(path)
    return ImageFiles(paths), pixels.transpose(0, 3, 1, 2)


def build(stored, size=4):
    return on_disk(
        "tiny",
        stored,
        shape=(3, size, size),
        prepare=exactly(size, size),
        licence="CC0-1.0",
        source="made here",
        pixels={"name": "affine"},
    )


@pytest.fixture
def halves(tmp_path):
    train, train_pixels = write(tmp_path / "train", 20, seed=0)
    test, test_pixels = write(tmp_path / "test", 3, seed=1)
    return {"train": train, "test": test}, {"train": train_pixels, "test": test_pixels}


def test_images_are_those_stored_in_the_order_asked_for(halves):
    stored, pixels = halves
    dataset = build(stored)
    taken = dataset.split("test").take([2, 0, 2])
    assert taken.dtype == torch.uint8
    assert np.array_equal(taken.numpy(), pixels["test"][[2, 0, 2]])


def test_validation_is_held_out_evenly(halves):
    stored, pixels = halves
    dataset = build(stored)
    assert dataset.info.sizes == {"train": 18, "validation": 2, "test": 3}
    assert np.array_equal(dataset.split("validation").take([0, 1]).numpy(), pixels["train"][[5, 15]])
    rest = np.delete(pixels["train"], [5, 15], axis=0)
    assert np.array_equal(dataset.split("train").take(range(18)).numpy(), rest)


def test_a_validation_split_of_its_own_is_used(halves, tmp_path):
    stored, _ = halves
    validation, pixels = write(tmp_path / "validation", 4, seed=2)
    dataset = build({**stored, "validation": validation})
    assert dataset.info.sizes == {"train": 20, "validation": 4, "test": 3}
    assert np.array_equal(dataset.split("validation").take(range(4)).numpy(), pixels)


@pytest.mark.parametrize("count", [1, 2, 9, 10, 101, 49_999, 50_000, 200_000])
def test_hold_out_parts_the_images(count):
    train, validation = hold_out(count)
    assert sorted(train + validation) == list(range(count))
    assert train == sorted(train)
    assert len(validation) == min(max(1, count // 10), 5000)


def test_the_revision_depends_on_images_and_not_on_paths(halves, tmp_path):
    stored, _ = halves
    first = build(stored).info.revision
    elsewhere = {"train": write(tmp_path / "x" / "a", 20, seed=0)[0], "test": stored["test"]}
    other_test = {"train": stored["train"], "test": write(tmp_path / "x" / "b", 3, seed=5)[0]}
    swapped = {"train": stored["test"], "test": stored["train"]}
    assert build(elsewhere).info.revision == first
    assert build(other_test).info.revision != first
    assert build(swapped).info.revision != first


def test_a_split_without_images_is_refused(halves):
    stored, _ = halves
    with pytest.raises(DataError, match="tiny, split 'test': there are no images"):
        build({**stored, "test": ImageFiles([])})


def test_one_training_image_cannot_be_held_out(halves):
    stored, _ = halves
    with pytest.raises(DataError, match="tiny, split 'train': there are no images"):
        build({"train": stored["test"].__class__(stored["test"]._paths[:1]), "test": stored["test"]})


def test_images_of_another_size_are_refused_on_loading(halves, tmp_path):
    stored, _ = halves
    with pytest.raises(DataError, match=r"tiny, split 'train': .*0000\.png is 4x4 .*8x8"):
        build(stored, size=8)


def test_a_damaged_image_is_named_when_it_is_taken(halves):
    stored, _ = halves
    dataset = build(stored)
    path = stored["test"]._paths[2]
    path.write_bytes(path.read_bytes()[:40])
    assert len(dataset.split("test").take([0, 1])) == 2
    with pytest.raises(DataError, match=r"split 'test': .*0002\.png"):
        dataset.split("test").take([2])


@pytest.mark.shuffled
def test_splits_come_shuffled_the_same_way_every_time(halves):
    stored, pixels = halves
    first, second = (build(stored).split("train").take(range(18)).numpy() for _ in range(2))
    rest = np.delete(pixels["train"], [5, 15], axis=0)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, rest)
    assert sorted(map(bytes, first)) == sorted(map(bytes, rest))
