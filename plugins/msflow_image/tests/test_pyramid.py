"""The transform and the split: what is drawn, its density, and how the pyramid is laid out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from flowzoo.api import Call, Ledger, NotInitialisedError, OptionError, ShapeError
from flowzoo.registry.build import build_component
from flowzoo.testing import checks_for, run_check, trial_of

SHAPE = (2, 4, 6)


def images(count: int = 4, shape: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    return torch.rand(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def seeded(**fields: Any) -> Call:
    return Call(generator=torch.Generator().manual_seed(1), **fields)


def pyramid(shape: tuple[int, int, int] = SHAPE, **options: Any) -> Any:
    return build_component("transform", "pyramid", shape, **options).double()


def noise_of(y: torch.Tensor, x: torch.Tensor) -> np.ndarray[Any, Any]:
    channels = x.shape[1]
    return (y[:, :channels] - torch.nn.functional.avg_pool2d(x, 2)).numpy()


@pytest.mark.parametrize("options", [{"width": 0.3}, {"proposal": "uniform"}])
def test_the_image_stands_behind_a_coarse_one_with_a_block_s_pixels_offset_by_offset(
    options: dict[str, Any],
) -> None:
    x = images()

    y, _ = pyramid(**options)(x, seeded())

    assert y.shape == (4, 10, 2, 3)
    for offset in range(4):
        band = x[..., offset // 2 :: 2, offset % 2 :: 2]
        assert torch.equal(y[:, 2 + 2 * offset : 4 + 2 * offset], band)
    assert np.abs(noise_of(y, x)).max() < 1.5


def test_gaussian_noise_and_its_density() -> None:
    x = images(2000)

    y, log_det = pyramid(width=0.3)(x, seeded())

    noise = noise_of(y, x)
    assert kstest(noise.ravel() / 0.3, "norm").pvalue > 0.01
    expected = -norm(0.0, 0.3).logpdf(noise).sum((1, 2, 3))
    np.testing.assert_allclose(log_det.numpy(), expected, atol=1e-5)  # the width is kept in float32


@pytest.mark.parametrize(("width", "expected"), [(None, 1 / 256), (0.3, 0.3)])
def test_uniform_noise_is_centred_and_its_density(width: float | None, expected: float) -> None:
    x = images(2000)

    y, log_det = pyramid(proposal="uniform", width=width)(x, seeded())

    assert kstest(noise_of(y, x).ravel() / expected + 0.5, "uniform").pvalue > 0.01
    values = 2 * 2 * 3
    torch.testing.assert_close(log_det, torch.full((2000,), values * math.log(expected)).double())


def test_only_noise_over_one_integer_bin_dequantises() -> None:
    assert pyramid(proposal="uniform").traits.dequantises
    assert pyramid(proposal="uniform", width=1 / 256).traits.dequantises
    assert not pyramid(proposal="uniform", width=1 / 17).traits.dequantises
    assert not pyramid(width=1 / 256).traits.dequantises


def test_the_first_pass_sets_the_width_to_the_pixels_spread_around_their_block_mean() -> None:
    transform, x = pyramid(), images(300)
    with pytest.raises(NotInitialisedError):
        transform(x, seeded())

    transform(x, seeded(mode="initialise", ledger=Ledger()))

    blocks = torch.nn.functional.unfold(x.reshape(-1, 1, 4, 6), 2, stride=2).numpy()
    spread = np.sqrt(blocks.var(axis=1).mean())
    assert float(transform.proposal.log_width.exp()) == pytest.approx(spread, rel=1e-6)
    assert noise_of(transform(x, seeded())[0], x).std() == pytest.approx(spread, rel=0.03)


def test_an_image_without_details_leaves_a_width_greater_than_0() -> None:
    transform = pyramid()
    x = torch.full((8, *SHAPE), 0.5, dtype=torch.float64)

    transform(x, seeded(mode="initialise", ledger=Ledger()))

    assert bool(transform(x, seeded())[1].isfinite().all())


def test_a_uniform_width_is_not_learned() -> None:
    with pytest.raises(OptionError, match="gaussian"):
        pyramid(proposal="uniform", learned=True)


@pytest.mark.parametrize("width", [0.0, -1.0, math.inf])
def test_widths_are_positive_and_finite(width: float) -> None:
    with pytest.raises(OptionError, match="'width' is"):
        pyramid(width=width)


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="pyramid halves height and width, and 5x4 is odd"):
        pyramid().output_shape((1, 5, 4))


def test_the_split_parts_coarse_from_fine() -> None:
    x = images()
    y, _ = pyramid(width=0.3)(x, seeded())
    split = build_component("split", "pyramid", (10, 2, 3))

    coarse, fine = split.split(y)

    assert split.shapes((10, 2, 3)) == ((2, 2, 3), SHAPE)
    assert torch.equal(fine, x)
    assert torch.equal(coarse, y[:, :2])
    assert torch.equal(split.merge(coarse, fine), y)


def test_the_split_says_which_transform_it_needs() -> None:
    with pytest.raises(ShapeError, match="transform=pyramid"):
        build_component("split", "pyramid", (4, 2, 2)).shapes((4, 2, 2))


@pytest.mark.parametrize(
    "options", [{"proposal": "uniform"}, {"width": 0.3}, {"learned": True}, {"learned": True, "width": 0.3}]
)
@pytest.mark.parametrize("check", checks_for("transform", exact=False))
def test_every_proposal_conforms(options: dict[str, Any], check: str) -> None:
    result = run_check(trial_of("transform", "pyramid", **options), check)
    assert result.passed, result.detail
