"""Pairing noise with images: short paths, and noise that still does not tell the context."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from flowzoo_cnf.pairing import SHARE, context_weight, pair


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cost(x: Tensor, z: Tensor) -> float:
    return float((x - z).square().sum())


def order_of(paired: Tensor, z: Tensor) -> list[int]:
    """Return where each noise was before; each must be one of ``z``."""
    found = (paired.flatten(1)[:, None] == z.flatten(1)).all(2)
    assert bool((found.sum(1) == 1).all())
    return found.int().argmax(1).tolist()


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("context", [None, draw(40, 1, 2, 2, seed=2)], ids=["alone", "given"])
def test_the_noise_is_permuted(context: Tensor | None, dtype: torch.dtype) -> None:
    x, z = draw(40, 2, 4, 4).to(dtype), draw(40, 2, 4, 4, seed=1).to(dtype)

    paired = pair(x, z, None if context is None else context.to(dtype))

    assert paired.dtype == dtype
    order = order_of(paired, z)
    assert sorted(order) == list(range(40))
    assert order != list(range(40))


@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_is_shorter(seed: int) -> None:
    x, z = draw(5, 2, 2, 2, seed=seed), 2 + draw(5, 2, 2, 2, seed=seed + 100)

    shortest = min(cost(x, z[list(order)]) for order in itertools.permutations(range(5)))

    assert cost(x, pair(x, z)) == pytest.approx(shortest)


def test_paths_get_shorter_with_a_context_too() -> None:
    x, z, context = draw(64, 2, 4, 4), draw(64, 2, 4, 4, seed=1), draw(64, 1, 2, 2, seed=2)

    assert cost(x, pair(x, z)) < cost(x, pair(x, z, context)) < cost(x, z)


def test_one_image_keeps_its_noise() -> None:
    x, z, context = draw(1, 2, 4, 4), draw(1, 2, 4, 4, seed=1), draw(1, 1, 2, 2, seed=2)

    assert torch.equal(pair(x, z), z)
    assert torch.equal(pair(x, z, context), z)


def test_no_noise_moves_where_the_share_is_less_than_one_pair() -> None:
    x, z, context = draw(14, 2, 4, 4), draw(14, 2, 4, 4, seed=1), draw(14, 1, 2, 2, seed=2)

    assert torch.equal(pair(x, z, context), z)
    assert not torch.equal(pair(x, z), z)


def test_images_of_one_context_are_paired_as_if_there_were_none() -> None:
    x, z = draw(40, 2, 4, 4), draw(40, 2, 4, 4, seed=1)
    context = draw(1, 3, 5, 5, seed=2).expand(40, -1, -1, -1)

    assert torch.equal(pair(x, z, context), pair(x, z))


def test_noise_stays_with_its_class() -> None:
    classes = torch.arange(40) % 3
    context = draw(3, 1, 4, 4, seed=2)[classes]
    x, z = draw(40, 2, 4, 4) + context, draw(40, 2, 4, 4, seed=1)

    paired = pair(x, z, context)

    assert torch.equal(classes[order_of(paired, z)], classes)
    for each in range(3):
        mine = classes == each
        assert torch.equal(paired[mine], pair(x[mine], z[mine]))


def test_the_noise_does_not_tell_the_context() -> None:
    context, z = draw(50, 64, 1, 1, 1), draw(50, 64, 1, 1, 1, seed=1)
    x = context + 0.5 * draw(50, 64, 1, 1, 1, seed=2)

    ours = torch.stack([pair(*each) for each in zip(x, z, context, strict=True)])
    plain = torch.stack([pair(*each) for each in zip(x, z, strict=True)])

    assert abs(correlation(ours, context)) < 0.06
    assert correlation(plain, context) > 0.8
    assert correlation(ours, x - context) > correlation(z, x - context) + 0.2


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_contexts_does_not_count(scale: float) -> None:
    x, z, context = draw(64, 2, 4, 4), draw(64, 2, 4, 4, seed=1), draw(64, 1, 2, 2, seed=2)

    assert torch.equal(pair(x, z, scale * context), pair(x, z, context))


def test_a_share_of_the_pairs_gains_from_a_swap() -> None:
    alike, place = draw(64, 64), draw(64, seed=1)
    gaps = (place - place[:, None]).square()

    weight = context_weight(alike, gaps)

    gaining = 0
    for i, j in itertools.combinations(range(64), 2):
        before = -2 * (alike[i, i] + alike[j, j])
        after = -2 * (alike[i, j] + alike[j, i]) + 2 * weight * gaps[i, j]
        gaining += int(after < before)
    assert 0 < weight < math.inf
    assert gaining == int(SHARE * 64 * 63 / 2)


def test_contexts_do_not_count_where_hardly_a_swap_gains() -> None:
    alike = -(torch.arange(64.0)[:, None] - torch.arange(64.0)).square()

    assert context_weight(alike, torch.ones(64, 64)) == 0.0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_data_that_are_not_finite_keep_the_noise_as_it_is(value: float) -> None:
    x, z = draw(5, 2, 2, 2), draw(5, 2, 2, 2, seed=1)
    x[3, 0, 0, 0] = value

    assert torch.equal(pair(x, z), z)


def test_pairing_is_not_differentiated() -> None:
    x, z = draw(5, 2, 2, 2).requires_grad_(), draw(5, 2, 2, 2, seed=1)

    assert not pair(x, z).requires_grad
