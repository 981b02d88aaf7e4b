import pytest

from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError, UnknownNameError


def test_a_data_set_is_loaded_by_name():
    assert load_dataset("digits").info.name == "digits"


def test_options_reach_the_data_set(tmp_path, write_idx, clothes):
    write_idx(tmp_path / "train-images-idx3-ubyte", clothes["train"])
    write_idx(tmp_path / "t10k-images-idx3-ubyte", clothes["test"])
    assert load_dataset("fashion-mnist", root=str(tmp_path), size=16).info.shape == (1, 16, 16)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        load_dataset("digit")


def test_a_size_that_is_not_offered_is_refused():
    with pytest.raises(OptionError, match="size"):
        load_dataset("fashion-mnist", size=28)
