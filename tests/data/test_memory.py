import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError

SIZES = {"train": 5, "validation": 2, "test": 3}


def arrays(seed=0, bins=17):
    rng = np.random.default_rng(seed)
    return {split: rng.integers(0, bins, (n, 1, 3, 4), dtype=np.uint8) for split, n in SIZES.items()}


def build(splits, bins=17):
    return in_memory("tiny", splits, bins=bins, licence="CC0-1.0", source="here", pixels={"name": "logit"})


def test_info_describes_the_arrays():
    info = build(arrays()).info
    assert (info.name, info.shape, info.bins, info.sizes) == ("tiny", (1, 3, 4), 17, SIZES)
    assert len(info.revision) == 16


def test_images_are_those_given():
    given_arrays = arrays()
    dataset = build(given_arrays)
    for split, expected in given_arrays.items():
        source = dataset.split(split)
        assert np.array_equal(source.take(range(len(source))).numpy(), expected)


def test_later_changes_to_the_array_do_not_reach_the_data_set():
    given_arrays = arrays()
    dataset = build(given_arrays)
    before = dataset.split("test").take([0])
    given_arrays["test"][:] = 0
    assert torch.equal(dataset.split("test").take([0]), before)


def test_revision_is_of_the_integers_not_of_their_type():
    as_floats = {split: values.astype(np.float64) for split, values in arrays().items()}
    assert build(as_floats).info.revision == build(arrays()).info.revision


@given(split=st.sampled_from(sorted(SIZES)), place=st.integers(0, 10_000), change=st.integers(1, 16))
def test_revision_changes_with_any_value(split, place, change):
    changed = arrays()
    flat = changed[split].reshape(-1)
    flat[place % flat.size] = (flat[place % flat.size] + change) % 17
    assert build(changed).info.revision != build(arrays()).info.revision


def test_revision_changes_when_an_image_moves_between_splits():
    moved = arrays()
    joined = np.concatenate([moved["train"], moved["validation"]])
    moved["train"], moved["validation"] = joined[:4], joined[4:]
    assert build(moved).info.revision != build(arrays()).info.revision


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "tiny, split 'validation': image 1 of 2 holds NaN or infinite values"),
        (np.inf, "tiny, split 'validation': image 1 of 2 holds NaN or infinite values"),
        (0.5, "tiny, split 'validation': image 1 of 2 holds fractions"),
        (
            17.0,
            r"tiny, split 'validation': image 1 of 2 holds values outside 0\.\.16",
        ),
        (-1.0, r"tiny, split 'validation': image 1 of 2 holds values outside 0\.\.16"),
    ],
)
def test_a_value_that_is_no_level_is_refused_with_its_place(value, message):
    splits = {split: values.astype(np.float64) for split, values in arrays().items()}
    splits["validation"][1, 0, 2, 3] = value
    with pytest.raises(DataError, match=message) as caught:
        build(splits)
    assert "\n" not in str(caught.value)


def test_integers_out_of_range_are_refused():
    with pytest.raises(DataError, match=r"tiny, split 'train': image \d of 5 holds values outside 0\.\.3"):
        build(arrays(), bins=4)


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match="tiny, split 'test': there are no images"):
        build(arrays() | {"test": arrays()["test"][:0]})


def test_splits_of_different_shapes_are_refused():
    with pytest.raises(DataError, match=r"split 'test': .*\(1, 4, 3\)"):
        build(arrays() | {"test": np.zeros((3, 1, 4, 3), np.uint8)})
