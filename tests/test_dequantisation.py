import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flowzoo.call import Call, per_image_generators
from flowzoo.dequantisation import check_integers, dequantise, quantise
from flowzoo.errors import DataError


class AlmostOne(Call):
    """A run whose uniform draws are all as large as they can be."""

    def uniform(self, like: torch.Tensor) -> torch.Tensor:
        return torch.full_like(like, 1.0 - torch.finfo(like.dtype).eps / 2)


def every_integer(bins: int) -> torch.Tensor:
    dtype = torch.uint8 if bins <= 256 else torch.int32
    return torch.arange(bins).to(dtype).reshape(1, 1, 1, -1)


@settings(max_examples=30, deadline=None)
@given(bins=st.integers(2, 600), seed=st.integers(0, 1000))
def test_quantise_undoes_dequantise(bins: int, seed: int) -> None:
    images = every_integer(bins)

    x = dequantise(images, bins, Call(generator=torch.Generator().manual_seed(seed)))

    assert x.dtype == torch.float64
    assert bool(((x >= 0) & (x < 1)).all())
    assert torch.equal(quantise(x, bins), images)


@pytest.mark.parametrize("bins", [17, 256])
def test_stays_below_one_with_the_largest_noise_there_is(bins: int) -> None:
    x = dequantise(every_integer(bins), bins, AlmostOne())

    assert x.max().item() < 1.0
    assert quantise(x, bins).max().item() == bins - 1


def test_noise_is_uniform_in_the_cell() -> None:
    images = torch.full((1, 1, 100, 100), 3, dtype=torch.uint8)

    noise = (dequantise(images, 8, Call(generator=torch.Generator().manual_seed(0))) * 8 - 3).flatten()

    counts = torch.histc(noise, bins=10, min=0.0, max=1.0)
    assert counts.sum() == 10_000
    assert bool(((counts - 1000).abs() < 5 * 30).all())  # five standard deviations


def test_noise_of_an_image_does_not_depend_on_its_batch() -> None:
    images = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)

    whole = dequantise(images, 256, Call(generator=per_image_generators(0, range(3))))
    alone = dequantise(images[:1], 256, Call(generator=per_image_generators(0, [2])))

    assert torch.equal(whole[2:], alone)


def test_samples_outside_go_to_the_nearest_cell() -> None:
    x = torch.tensor([-0.3, 0.0, 0.999, 1.0, 7.0]).reshape(1, 1, 1, 5)

    assert quantise(x, 256).flatten().tolist() == [0, 0, 255, 255, 255]


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_what_is_not_an_integer_is_refused(dtype: torch.dtype) -> None:
    with pytest.raises(DataError, match=r"integer images in 0\.\.255, got torch\.\w+"):
        check_integers(torch.zeros(1, 1, 2, 2, dtype=dtype), 256)


@pytest.mark.parametrize("value", [-1, 17])
def test_integers_out_of_range_are_refused(value: int) -> None:
    images = torch.zeros(1, 1, 2, 2, dtype=torch.int64)
    images[0, 0, 0, 0] = value

    with pytest.raises(DataError, match=r"integers in 0\.\.16, found values in .*17"):
        dequantise(images, 17)
