import numpy as np
import pytest
from PIL import Image

from flowzoo.data.load import load_dataset
from flowzoo.errors import DataError, OptionError
from flowzoo.testing import check_component


def draw(path, seed, size=(48, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def images_of(dataset, split):
    source = dataset.split(split)
    return source.take(range(len(source))).numpy()


def refused(match, **options):
    with pytest.raises(DataError, match=match) as caught:
        load_dataset("images", **options)
    assert "\n" not in str(caught.value)


def test_a_plain_folder_is_divided(tmp_path):
    for place in range(20):
        draw(tmp_path / f"album{place % 2}" / f"{place:02}.png", seed=place)
    (tmp_path / "notes.txt").write_text("not an image")
    dataset = load_dataset("images", root=str(tmp_path), size=16)
    assert dataset.info.shape == (3, 16, 16)
    assert dataset.info.sizes == {"train": 17, "validation": 1, "test": 2}
    every = [image.tobytes() for split in dataset.splits for image in images_of(dataset, split)]
    assert len(set(every)) == 20


def test_folders_for_splits_are_used(tmp_path):
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for place in range(count):
            draw(tmp_path / split / f"{place}.jpg", seed=place)
    dataset = load_dataset("images", root=str(tmp_path))
    assert dataset.info.sizes == {"train": 4, "validation": 2, "test": 3}


def test_the_middle_square_is_used(tmp_path):
    drawn = [
        draw(tmp_path / split / "0.png", seed, size=(48, 40)) for seed, split in enumerate(("test", "val"))
    ]
    draw(tmp_path / "train" / "0.png", seed=7)
    test = images_of(load_dataset("images", root=str(tmp_path), size=40), "test")
    assert np.array_equal(test[0].transpose(1, 2, 0), drawn[0][:, 4:44])


def test_parquet_files_with_a_column_of_another_name(tmp_path, write_parquet):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    for split in ("train", "test"):
        write_parquet(tmp_path / "mine" / f"{split}-00000-of-00001.parquet", images, "picture")
    dataset = load_dataset("images", root=str(tmp_path / "mine"), size=8, column="picture")
    assert np.array_equal(images_of(dataset, "test"), images.transpose(0, 3, 1, 2))


def test_grey_images_and_the_size_make_other_revisions(tmp_path):
    for place in range(3):
        draw(tmp_path / f"{place}.png", seed=place)
    infos = [
        load_dataset("images", root=str(tmp_path), **options).info
        for options in ({}, {"size": 16}, {"channels": 1})
    ]
    assert [info.shape for info in infos] == [(3, 32, 32), (3, 16, 16), (1, 32, 32)]
    assert len({info.revision for info in infos}) == 3


def test_a_folder_without_a_test_split_is_refused(tmp_path):
    draw(tmp_path / "train" / "0.png", seed=0)
    refused(r"no images in .*: expected test-\*\.parquet or a folder test of image files", root=str(tmp_path))


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_with_too_few_images_is_refused(tmp_path, count):
    for place in range(count):
        draw(tmp_path / f"{place}.png", seed=place)
    refused(
        rf"{count} image files in .*, expected 3 or more; give a folder of PNG or JPEG", root=str(tmp_path)
    )


def test_a_damaged_file_is_named(tmp_path):
    for place in range(3):
        draw(tmp_path / f"{place}.png", seed=place)
    (tmp_path / "1.png").write_bytes(b"")
    refused(r"images, split '\w+': .*1\.png cannot be decoded", root=str(tmp_path))


def test_the_folder_has_to_be_given():
    with pytest.raises(OptionError, match="dataset 'images' needs the option 'root'"):
        load_dataset("images")


def test_the_conformance_kit_passes_on_a_folder(tmp_path):
    for place in range(20):
        draw(tmp_path / f"{place:02}.png", seed=place)
    results = check_component("dataset", "images", root=str(tmp_path))
    assert len(results) >= 5
    assert [result for result in results if not result.passed] == []
