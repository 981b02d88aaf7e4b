import pytest

from flowzoo.data.split_names import find_one, looks_like_a_split, split_of
from flowzoo.errors import DataError


@pytest.mark.parametrize(
    ("split", "names"),
    {
        "train": [
            "train",
            "Train",
            "TRAIN",
            "training",
            "train_64x64",
            "train2017",
            "cats-train",
            "Training set",
        ],
        "validation": ["val", "VALID", "Validation", "dev", "val2017", "valid_32x32", "images_val"],
        "test": ["test", "Testing", "test-images", "images.test", "test (1)"],
    }.items(),
)
def test_names_of_splits(split, names):
    assert {split_of(name) for name in names} == {split}
    assert all(map(looks_like_a_split, names))


@pytest.mark.parametrize(
    "name",
    [
        *("mytest", "mytrain", "trainA", "testB", "trainset", "testdata", "TrainImages", "valset", "myval"),
        *(
            "eval",
            "Evaluation",
            "eval set",
            "holdout",
            "hold-out",
            "Held_Out",
            "trn",
            "tst",
            "tests",
            "devset",
        ),
    ],
)
def test_names_that_only_look_like_splits(name):
    assert split_of(name) is None
    assert looks_like_a_split(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "cat",
            "dog",
            "n01440764",
            "0",
            "latest",
            "greatest",
            "Contest",
            "terrain",
            "strain",
            "trains",
            "trainer",
        ),
        *(
            "testament",
            "invalid",
            "festival",
            "carnival",
            "devices",
            "valley",
            "interval",
            "retrieval",
            "unlabeled",
        ),
        *("猫", "тест", "my pictures", "extra"),
    ],
)
def test_names_of_classes_and_albums(name):
    assert split_of(name) is None
    assert not looks_like_a_split(name)


def test_two_folders_for_one_split_are_refused():
    assert find_one(["cat", "Val"], ("val", "valid"), "here") == "Val"
    assert find_one(["cat"], ("val", "valid"), "here") is None
    with pytest.raises(DataError, match="val and valid"):
        find_one(["valid", "val"], ("val", "valid"), "here")
