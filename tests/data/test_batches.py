import json
from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowzoo.data.batches import ShuffledBatches, sequential_batches
from flowzoo.data.dataset import TensorImages
from flowzoo.errors import DataError, OptionError


def numbered(n):
    """Images that hold their own number."""
    return TensorImages(torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1))


def numbers(batch):
    return batch.flatten().tolist()


@given(images=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 2**62))
def test_batches_are_full_and_each_image_comes_once_an_epoch(images, batch_size, seed):
    epochs = 3
    batches = islice(ShuffledBatches(numbered(images), batch_size, seed), -(-epochs * images // batch_size))
    drawn = []
    for batch in batches:
        assert batch.shape == (batch_size, 1, 1, 1)
        drawn.extend(numbers(batch))
    for epoch in range(epochs):
        assert sorted(drawn[epoch * images : (epoch + 1) * images]) == list(range(images))


def test_epochs_differ_in_order_and_so_do_seeds():
    batches = ShuffledBatches(numbered(50), 50, seed=1)
    first, second = numbers(next(batches)), numbers(next(batches))
    other = numbers(next(ShuffledBatches(numbered(50), 50, seed=2)))
    assert first != second
    assert first != other
    assert first != list(range(50))


@given(
    images=st.integers(1, 30),
    batch_size=st.integers(1, 40),
    before=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_restored_batches_go_on_exactly(images, batch_size, before, seed):
    whole = ShuffledBatches(numbered(images), batch_size, seed)
    for _ in range(before):
        next(whole)
    state = json.loads(json.dumps(whole.state()))
    resumed = ShuffledBatches(numbered(images), batch_size, seed=seed + 1)
    resumed.restore(state)
    for _ in range(5):
        assert torch.equal(next(resumed), next(whole))
    assert resumed.state() == whole.state()


def test_a_state_of_other_data_is_refused():
    state = ShuffledBatches(numbered(10), 4, seed=0).state()
    with pytest.raises(DataError, match=r"10 images.* 11"):
        ShuffledBatches(numbered(11), 4, seed=0).restore(state)


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    next(ShuffledBatches(numbered(10), 4, seed=0))
    assert torch.equal(torch.get_rng_state(), before)


@given(images=st.integers(1, 30), batch_size=st.integers(1, 40), limit=st.none() | st.integers(1, 40))
def test_sequential_batches_hold_every_image_once_in_order(images, batch_size, limit):
    seen = []
    for indices, batch in sequential_batches(numbered(images), batch_size, limit):
        assert 0 < len(indices) <= batch_size
        assert list(indices) == numbers(batch)
        seen.extend(indices)
    assert seen == list(range(min(images, limit or images)))


def test_sequential_batches_are_read_as_they_are_asked_for():
    taken = Counter()

    class Counting(TensorImages):
        def take(self, indices):
            taken.update(indices)
            return super().take(indices)

    batches = sequential_batches(Counting(torch.zeros(10, 1, 1, 1, dtype=torch.uint8)), 4)
    assert not taken
    next(batches)
    assert sorted(taken) == [0, 1, 2, 3]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(batch_size):
    with pytest.raises(OptionError, match=f"batch size is {batch_size}"):
        ShuffledBatches(numbered(3), batch_size, seed=0)
    with pytest.raises(OptionError, match="batch size is"):
        sequential_batches(numbered(3), batch_size)


def test_a_limit_below_one_is_refused():
    with pytest.raises(OptionError, match="number of images is 0"):
        sequential_batches(numbered(3), 2, limit=0)


def test_a_source_without_images_is_refused():
    with pytest.raises(DataError, match="no images"):
        ShuffledBatches(numbered(0), 1, seed=0)
    with pytest.raises(DataError, match="no images"):
        sequential_batches(numbered(0), 1)
