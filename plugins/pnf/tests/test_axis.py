"""The transform of PNF against NumPy and brute force, along both axes."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flowzoo.errors import ShapeError
from flowzoo.registry.build import build_component
from flowzoo.testing import checks_for, run_check, trial_of

Axis = Literal["width", "height"]
AXES: tuple[Axis, ...] = ("width", "height")
both_axes = pytest.mark.parametrize("axis", AXES)


def reference(x: NDArray[np.float64], axis: Axis) -> NDArray[np.float64]:
    """Return means, then half differences, of neighbours, computed pair by pair."""
    x = x if axis == "width" else x.swapaxes(-1, -2)
    batch, channels, height, width = x.shape
    y = np.empty((batch, 2 * channels, height, width // 2))
    for pair in range(width // 2):
        left, right = x[..., 2 * pair], x[..., 2 * pair + 1]
        y[:, :channels, :, pair] = (left + right) / 2
        y[:, channels:, :, pair] = (left - right) / 2
    return y if axis == "width" else y.swapaxes(-1, -2)


@settings(deadline=None)
@given(
    axis=st.sampled_from(AXES),
    channels=st.integers(1, 3),
    pairs=st.integers(1, 4),
    other=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_is_the_reference_and_undoes_itself(
    axis: Axis, channels: int, pairs: int, other: int, seed: int
) -> None:
    shape = (channels, other, 2 * pairs) if axis == "width" else (channels, 2 * pairs, other)
    transform = build_component("transform", "axis", shape, axis=axis)
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    y, log_det = transform(x)
    assert tuple(y.shape[1:]) == transform.output_shape(shape)
    np.testing.assert_allclose(y.numpy(), reference(x.numpy(), axis), rtol=0, atol=1e-14)
    torch.testing.assert_close(transform.inverse(y), x, rtol=0, atol=1e-14)
    assert log_det.tolist() == [-(x[0].numel() / 2) * math.log(2.0)] * 2


@both_axes
def test_log_det_is_that_of_the_whole_jacobian(axis: Axis) -> None:
    transform = build_component("transform", "axis", (2, 4, 2), axis=axis)
    x = torch.randn(1, 2, 4, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: transform(v)[0].flatten(), x)
    expected = torch.linalg.slogdet(jacobian.reshape(16, 16))[1]
    torch.testing.assert_close(transform(x)[1], expected[None], rtol=0, atol=1e-12)


def test_width_then_height_gives_the_mean_of_each_block() -> None:
    x = torch.rand(2, 3, 4, 6, dtype=torch.float64)
    over_width, _ = build_component("transform", "axis", (3, 4, 6), axis="width")(x)
    over_both, _ = build_component("transform", "axis", (3, 4, 3), axis="height")(over_width[:, :3])
    torch.testing.assert_close(over_both[:, :3], torch.nn.functional.avg_pool2d(x, 2))


@pytest.mark.parametrize("check", checks_for("transform"))
def test_conforms_along_the_height_too(check: str) -> None:
    result = run_check(trial_of("transform", "axis", axis="height").with_check(shape=(2, 4, 3)), check)
    assert result.passed, result.detail


@pytest.mark.parametrize(
    ("axis", "shape", "message"),
    [
        ("width", (1, 4, 5), "along the width, and the width of 4x5 is odd; use fewer levels"),
        ("height", (1, 3, 4), "along the height, and the height of 3x4 is odd; use fewer levels"),
        ("width", (1, 1, 1), "the width of 1x1 is odd"),
    ],
)
def test_odd_sizes_are_refused(axis: Axis, shape: tuple[int, int, int], message: str) -> None:
    transform = build_component("transform", "axis", (1, 4, 4), axis=axis)
    with pytest.raises(ShapeError, match=message):
        transform(torch.zeros(2, *shape))
    with pytest.raises(ShapeError, match=message):
        transform.output_shape(shape)


def test_an_odd_number_of_channels_cannot_be_undone() -> None:
    with pytest.raises(ShapeError, match="got 3 channels; give an even number"):
        build_component("transform", "axis", (1, 4, 4)).inverse(torch.zeros(1, 3, 4, 2))
