from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowzoo.data.inspection import inspect_dataset
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


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [((24, 12), (0, 12, 3, 21)), ((12, 24), (8, 16, 0, 12)), ((24, 16), (0, 16, 0, 24))],
)
def test_the_middle_of_another_shape_is_used(tmp_path, drawn, expected):
    original = draw(tmp_path / "test" / "0.png", 0, size=drawn)
    draw(tmp_path / "train" / "0.png", seed=7)
    draw(tmp_path / "val" / "0.png", seed=8)
    dataset = load_dataset("images", root=str(tmp_path), size=[8, 12])
    assert dataset.info.shape == (3, 8, 12)
    top, bottom, left, right = expected
    cut = Image.fromarray(original[top:bottom, left:right]).resize((12, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(images_of(dataset, "test")[0].transpose(1, 2, 0), np.asarray(cut))


def test_images_may_keep_the_size_of_their_files(tmp_path):
    drawn = [draw(tmp_path / f"{place}.png", place, size=(14, 10)) for place in range(4)]
    dataset = load_dataset("images", root=str(tmp_path), size="keep")
    assert dataset.info.shape == (3, 10, 14)
    assert images_of(dataset, "test")[0].tobytes() in {each.transpose(2, 0, 1).tobytes() for each in drawn}
    draw(tmp_path / "4.png", 4, size=(14, 12))
    with pytest.raises(DataError, match=r"4\.png .*12x14.*10x14"):
        inspect_dataset(load_dataset("images", root=str(tmp_path), size="keep"))


@pytest.mark.parametrize("size", [1, [8], [8, 1], [8, 8, 8], "whole", 0.5])
def test_another_size_is_refused(tmp_path, size):
    with pytest.raises(OptionError, match="'size'"):
        load_dataset("images", root=str(tmp_path), size=size)


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
    refused(r"test-\*\.parquet", root=str(tmp_path))


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_with_too_few_images_is_refused(tmp_path, count):
    for place in range(count):
        draw(tmp_path / f"{place}.png", seed=place)
    refused(f"{count} image files", root=str(tmp_path))


def test_a_damaged_file_is_named(tmp_path):
    for place in range(3):
        draw(tmp_path / f"{place}.png", seed=place)
    (tmp_path / "1.png").write_bytes(b"")
    refused(r"images, split '\w+': .*1\.png", root=str(tmp_path))


def test_the_folder_has_to_be_given():
    with pytest.raises(OptionError, match=r"'images'.*'root'.*--set data\.root="):
        load_dataset("images")


@pytest.mark.shuffled  # the kit loads the data set in another process too, where it comes as users get it
def test_the_conformance_kit_passes_on_a_folder(tmp_path):
    for place in range(20):
        draw(tmp_path / f"{place:02}.png", seed=place)
    results = check_component("dataset", "images", root=str(tmp_path))
    assert len(results) >= 5
    assert [result for result in results if not result.passed] == []


def fill(root, folders, name="{place}.png"):
    """Draw pictures into folders, so many into each, all of them different."""
    seed = 0
    for folder, count in folders.items():
        for place in range(count):
            seed += 1
            draw(root / folder / name.format(place=place), seed, size=(8, 8))
    return str(root)


@pytest.mark.parametrize(
    "names",
    [
        ("Train", "Test"),
        ("TRAIN", "TEST"),
        ("training", "testing"),
        ("train", "TEST"),
        ("train_images", "test_images"),
        ("images_train", "images_test"),
        ("train2017", "test2017"),
        ("Training set", "Test set"),
    ],
)
def test_folders_that_are_called_like_splits_are_splits(tmp_path, names):
    root = fill(tmp_path, {names[0]: 11, f"{names[1]}/deep": 4})
    dataset = load_dataset("images", root=root, size=8)
    assert dataset.info.sizes == {"train": 10, "validation": 1, "test": 4}
    in_test = {path.read_bytes() for path in (tmp_path / names[1]).rglob("*.png")}
    used = {image.tobytes() for image in images_of(dataset, "test")}
    assert len(in_test) == len(used) == 4
    assert not used & {image.tobytes() for image in images_of(dataset, "train")}


@pytest.mark.parametrize("name", ["val", "Valid", "validation", "dev"])
def test_a_validation_folder_may_have_any_of_its_names(tmp_path, name):
    root = fill(tmp_path, {"train": 4, name: 3, "test": 2})
    assert load_dataset("images", root=root, size=8).info.sizes == {"train": 4, "validation": 3, "test": 2}


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        ({"train": 4, "val": 3, "valid": 3, "test": 2}, "val and valid"),
        ({"train": 4, "Training": 3, "test": 2}, "Training and train"),
        ({"train": 4, "train_masks": 4, "test": 2}, "train and train_masks"),
        ({"train": 4, "mytest": 3}, "mytest"),
        ({"train": 4, "test": 3, "holdout": 3}, "holdout"),
        ({"train": 4, "eval": 3}, "eval"),
        ({"train": 4, "test1": 3}, "train and test1"),
        ({"trainA": 4, "testA": 3}, "testA"),
        ({"mytrain": 4, "mytest": 3}, "mytest"),
        ({"mytest": 4, "cat": 3}, "mytest"),
        ({"data/train": 4, "data/test": 3}, "set root to .*data"),
        ({"cat/train": 4, "cat/test": 2, "dog/train": 4, "dog/test": 2}, "cat/test"),
        ({"a/b/Train": 4, "a/b/Test": 3}, "a/b/Test"),
        ({"train/train": 4, "train/test": 3, "test/a": 2}, "test, train"),
        ({"train": 4, "": 3}, "test"),
        ({"train": 4, "val": 3}, "test"),
        ({"test": 4, "cat": 3}, "train"),
    ],
)
def test_folders_that_may_or_may_not_be_splits_are_refused_unless_pooled(tmp_path, folders, named):
    root = fill(tmp_path, folders)
    refused(named, root=root, size=8)
    info = load_dataset("images", root=root, size=8, pool=True).info
    assert sum(info.sizes.values()) == sum(folders.values())


def test_files_that_are_called_like_splits_are_refused(tmp_path):
    fill(tmp_path, {"": 4}, name="train_{place}.png")
    root = fill(tmp_path, {"": 4}, name="test_{place}.png")
    refused("test_.*train_", root=root, size=8)


def test_lists_of_splits_are_refused(tmp_path):
    (tmp_path / "train.txt").write_text("0.png")
    refused("train.txt", root=fill(tmp_path, {"images": 4}), size=8)


@pytest.mark.parametrize(
    "folders",
    [
        {"cat": 6, "dog": 6},
        {"latest": 6, "contest/terrain": 6},
        {"": 6, "festival": 6},
    ],
)
def test_folders_of_classes_are_pooled(tmp_path, folders):
    info = load_dataset("images", root=fill(tmp_path, folders), size=8).info
    assert info.sizes == {"train": 10, "validation": 1, "test": 1}


def test_a_class_may_be_called_like_a_split_where_the_splits_are_clear(tmp_path):
    root = fill(tmp_path, {"train/car": 3, "train/train": 3, "test/car": 2, "test/train": 2})
    assert load_dataset("images", root=root, size=8).info.sizes == {"train": 5, "validation": 1, "test": 4}


def test_what_is_passed_over_is_counted(tmp_path):
    root = fill(tmp_path, {"train": 4, "train/.thumbs": 2, "test": 3, "extra": 5, "": 1})
    (tmp_path / "test" / "labels.csv").write_text("")
    info = load_dataset("images", root=root, size=8).info
    assert info.skipped == {"in .thumbs": 2, ".csv": 1, "images outside the splits": 6}


def test_hidden_copies_are_in_no_split(tmp_path):
    root = fill(tmp_path, {"": 25, ".ipynb_checkpoints": 25})
    assert sum(load_dataset("images", root=root, size=8).info.sizes.values()) == 25


@pytest.mark.parametrize(
    ("others", "said"), [(["a.zip"], "unpack"), (["a.tar.gz"], "unpack"), (["a.heic", "b.heic"], "2 .heic")]
)
def test_a_folder_without_images_says_what_it_holds_instead(tmp_path, others, said):
    for name in others:
        (tmp_path / name).write_bytes(b"")
    refused(said, root=str(tmp_path))


def test_one_image_to_train_on_is_too_few(tmp_path):
    refused("held out for validation", root=fill(tmp_path, {"train": 1, "test": 2}), size=8)


def test_parquet_files_in_hidden_folders_are_passed_over(tmp_path, write_parquet):
    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    for name in ("Train-0", "test"):
        write_parquet(tmp_path / "mine" / f"{name}.parquet", images)
    write_parquet(tmp_path / "mine" / ".ipynb_checkpoints" / "train-0-checkpoint.parquet", images[:3])
    info = load_dataset("images", root=str(tmp_path / "mine"), size=8).info
    assert info.sizes == {"train": 9, "validation": 1, "test": 10}
    assert info.skipped == {"in .ipynb_checkpoints": 1}


@pytest.mark.parametrize("second", ["other/train-0.parquet", "mine/training-0.parquet"])
def test_parquet_files_of_one_split_with_two_names_are_refused(tmp_path, write_parquet, second):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    for name in ("mine/train-0.parquet", "mine/test-0.parquet", second):
        write_parquet(tmp_path / "all" / name, images)
    refused("the split 'train'", root=str(tmp_path / "all"), size=8)


def test_missing_files_are_all_named_and_do_not_block_the_other_splits(tmp_path):
    root = fill(tmp_path, {"": 5})
    before = load_dataset("images", root=root, size=8)
    for name in ("lost1.png", "lost2.png"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    dataset = load_dataset("images", root=root, size=8)
    assert len(images_of(dataset, "validation")) == 1
    assert dataset.info.revisions["train"] != before.info.revisions["train"]
    with pytest.raises(DataError, match=r"2 of 7 images .*lost\d.*lost\d"):
        inspect_dataset(dataset)


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "pics", {"": 5})
    assert sum(load_dataset("images", root="~/pics", size=8).info.sizes.values()) == 5


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    root = fill(tmp_path, {"": 5})
    read = Path.read_bytes

    def refuse(path):
        if path.name == "3.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    refused(r"cannot read .*3\.png: Permission denied", root=root, size=8)
