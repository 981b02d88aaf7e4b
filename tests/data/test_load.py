import pytest
from PIL import Image

from flowzoo.data.dataset import DatasetRecipe
from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError, UnknownNameError


def test_a_data_set_is_loaded_by_name():
    assert load_dataset("digits").info.name == "digits"


def test_options_reach_the_data_set(tmp_path, write_idx, clothes):
    write_idx(tmp_path / "train-images-idx3-ubyte", clothes["train"])
    write_idx(tmp_path / "t10k-images-idx3-ubyte", clothes["test"])
    assert load_dataset("fashion-mnist", root=str(tmp_path), size=16).info.shape == (1, 16, 16)


def test_a_folder_is_short_for_the_data_set_of_its_images(tmp_path, monkeypatch):
    for place in range(3):
        Image.new("RGB", (8, 8), (place, 0, 0)).save(tmp_path / f"{place}.png")
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, str(tmp_path), "."):
        dataset = load_dataset(folder, size=8)
        assert dataset.info.name == "images"
        assert dataset.recipe == DatasetRecipe("images", {"root": str(tmp_path), "size": 8})


def test_a_name_may_be_qualified_by_its_distribution():
    assert load_dataset("flowzoo/digits").info.name == "digits"


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        load_dataset("digit")


def test_a_size_that_is_not_offered_is_refused():
    with pytest.raises(OptionError, match="size"):
        load_dataset("fashion-mnist", size=28)
