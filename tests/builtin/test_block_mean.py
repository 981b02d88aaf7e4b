import math

import pytest
import pywt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d

from flowzoo.builtin.block_mean import BlockMean
from flowzoo.errors import ShapeError
from flowzoo.registry.build import build_component

HAAR, UNIMODULAR = 0.5, 2.0 ** (-2.0 / 3.0)


def images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_haar_is_pywavelets_haar_with_a_mean_in_front() -> None:
    x = images(2, 3, 6, 4)
    low, (vertical, horizontal, diagonal) = pywt.dwt2(x.numpy(), "haar")

    y, _ = build_component("transform", "haar", (3, 6, 4))(x)

    for found, expected in zip(y.chunk(4, 1), (low / 2, vertical, horizontal, diagonal), strict=True):
        torch.testing.assert_close(found, torch.from_numpy(expected))


@pytest.mark.parametrize("scale", [HAAR, UNIMODULAR, 3.0])
def test_coarse_image_is_the_mean_of_each_block(scale: float) -> None:
    x = images(2, 3, 6, 4)

    torch.testing.assert_close(BlockMean(scale)(x)[0][:, :3], avg_pool2d(x, 2))


@pytest.mark.parametrize("scale", [HAAR, UNIMODULAR, 3.0])
def test_log_det_is_that_of_the_dense_matrix(scale: float) -> None:
    transform = BlockMean(scale)
    unit = torch.eye(2 * 4 * 2, dtype=torch.float64).reshape(-1, 2, 4, 2)
    matrix = transform(unit)[0].flatten(1)

    found = transform(images(3, 2, 4, 2))[1]

    torch.testing.assert_close(found, torch.linalg.slogdet(matrix).logabsdet.expand(3))


def test_log_det_in_closed_form() -> None:
    x = images(1, 2, 4, 6)

    assert BlockMean(HAAR)(x)[1].item() == -(2 * 2 * 3) * math.log(2.0)
    assert abs(BlockMean(UNIMODULAR)(x)[1].item()) < 1e-13


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(0, 3),
    channels=st.integers(1, 4),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    scale=st.floats(0.1, 10.0),
)
def test_inverts_every_even_size(batch: int, channels: int, height: int, width: int, scale: float) -> None:
    x = images(batch, channels, 2 * height, 2 * width)
    transform = BlockMean(scale)

    y, log_det = transform(x)

    assert tuple(y.shape[1:]) == transform.output_shape((channels, 2 * height, 2 * width))
    assert log_det.shape == (batch,)
    torch.testing.assert_close(transform.inverse(y), x)


def test_bands_stay_apart_under_a_wrong_number_of_channels() -> None:
    with pytest.raises(ShapeError, match="haar"):
        build_component("transform", "haar", (3, 4, 4)).inverse(images(1, 6, 2, 2))


@pytest.mark.parametrize("size", [(5, 4), (4, 5)])
@pytest.mark.parametrize("name", ["haar", "squeeze"])
def test_odd_sizes_are_refused(name: str, size: tuple[int, int]) -> None:
    transform = build_component("transform", name, (1, 4, 4))

    for call in (lambda: transform.output_shape((1, *size)), lambda: transform(images(1, 1, *size))):
        with pytest.raises(
            ShapeError, match=rf"{name} halves .* {size[0]}x{size[1]} is odd; use fewer levels"
        ):
            call()


def test_integers_in_low_precision_keep_a_float32_log_det() -> None:
    y, log_det = BlockMean(HAAR)(images(2, 1, 2, 2).bfloat16())

    assert y.dtype == torch.bfloat16
    assert log_det.dtype == torch.float32
