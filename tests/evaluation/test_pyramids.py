"""Models that draw coarse images: bounds against the mass of a Gaussian pyramid, which SciPy integrates."""

from __future__ import annotations

import functools
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

import flowzoo
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import Call, per_image_generators
from flowzoo.data.dataset import TensorImages
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.errors import OptionError
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.level import Level
from tests.linear_pyramid import MEAN, LinearPyramid, upscaling
from tests.toys import Wave

BINS = 8
COPIES = {1: 4000, 16: 4000, 256: 200}
"""Of one image, by draws, each with noise of its own: the spread over them gives the Monte-Carlo error."""

SIZES = [(2, 2), (4, 3)]
"""Height of the finest image, and levels."""

GAUSSIAN = {"proposal": "gaussian", "width": 0.12}
"""Twice as wide as the posterior: it has all of the mass, and needs draws to find it."""

UNIFORM = {"proposal": "uniform", "width": 0.2}
"""Leaves part of the posterior outside."""


TINY = {
    "name": "cnf",
    "blocks": 1,
    "network": {"name": "conv-field", "hidden": 4, "layers": 2},
    "evaluation_solver": "midpoint",
    "evaluation_steps": 1,
}


@functools.cache
def pyramid(size: int, levels: int) -> tuple[LinearPyramid, np.ndarray[Any, Any]]:
    """Return a pyramid and an integer image that is likely under it."""
    found = LinearPyramid(size, levels)
    return found, (found.sample(1, seed=1)[0] * BINS).astype(np.int64).clip(0, BINS - 1)


@functools.cache
def log_bound(size: int, levels: int, draws: int, proposal: str, width: float) -> tuple[float, float]:
    """Return the evaluation's bound on the image's log mass, in nats, and its standard error."""
    known, image = pyramid(size, levels)
    copies = torch.from_numpy(image.astype(np.uint8)).reshape(1, 1, size, size)
    found = evaluate_likelihood(
        known.model(BINS, proposal=proposal, width=width),
        TensorImages(copies.repeat(COPIES[draws], 1, 1, 1)),
        importance_samples=draws,
        batch_size=1000,
        audit=False,
    )
    assert found.standard_error is not None
    nats = size**2 * math.log(2.0)
    return -found.bits_per_dim * nats, found.standard_error * nats


@pytest.mark.parametrize(("size", "levels"), SIZES)
@pytest.mark.parametrize(
    ("transform", "support"), [(GAUSSIAN, None), (UNIFORM, UNIFORM["width"])], ids=["gaussian", "uniform"]
)
def test_the_bound_tightens_with_the_draws_to_the_mass_inside_the_proposals_support(
    size: int, levels: int, transform: dict[str, Any], support: float | None
) -> None:
    known, image = pyramid(size, levels)
    limit = known.log_mass(image, BINS, support)

    found = {draws: log_bound(size, levels, draws, **transform) for draws in COPIES}

    for value, error in found.values():
        assert value < limit + 4 * error
    for few, more in pairwise(COPIES):
        assert found[more][0] > found[few][0] + 3 * math.hypot(found[few][1], found[more][1])
    # The gap falls as 1/K: sixteen times the draws leave a sixteenth of it, here at most an eighth.
    value, error = found[256]
    assert abs(limit - value) < (limit - found[16][0]) / 8 + 4 * error


@pytest.mark.parametrize(("size", "levels"), SIZES)
def test_a_uniform_proposal_loses_what_lies_outside_it_for_good(size: int, levels: int) -> None:
    known, image = pyramid(size, levels)

    value, error = log_bound(size, levels, 256, **UNIFORM)

    assert value < known.log_mass(image, BINS) - 6 * error


def test_the_draws_are_weighed_by_the_proposal_and_averaged_as_likelihoods() -> None:
    draws, size = 3, 2
    known, image = pyramid(size, 2)
    flow = known.model(BINS, **GAUSSIAN)
    width = float(flow.level(0).transform.proposal.log_width.exp())  # in float32, it is 0.12 almost
    copies = torch.from_numpy(image.astype(np.uint8)).reshape(1, 1, size, size).repeat(5, 1, 1, 1)
    both = np.vstack(known.images)
    density = multivariate_normal(np.full(len(both), MEAN), both @ both.T)
    expected = []
    for generator in per_image_generators(7, range(5)):
        weights = []
        for _ in range(draws):
            noise = torch.rand((1, size, size), generator=generator).double()
            x = (image + noise.flatten().numpy()) / BINS
            draw = torch.randn((1, 1, 1), generator=generator).double()
            mean = upscaling(size).T @ x / 4
            coarse = mean + width * draw.flatten().numpy()
            log_q = norm(mean, width).logpdf(coarse).sum()
            weights.append(density.logpdf(np.concatenate([x, coarse])) - log_q)
        expected.append(np.log(np.mean(np.exp(weights))))
    bits = -np.mean(expected) / (size**2 * math.log(2.0)) + math.log2(BINS)

    found = evaluate_likelihood(flow, TensorImages(copies), importance_samples=draws, seed=7)

    assert found.bits_per_dim == pytest.approx(bits, abs=1e-10)


def test_training_the_width_improves_the_bound_and_finds_the_best_one() -> None:
    known, _ = pyramid(4, 2)
    flow = known.model(BINS, proposal="gaussian", width=0.2, learned=True)
    images = known.sample(512, seed=2).reshape(-1, 1, 4, 4)
    x = torch.from_numpy(images[(images >= 0).all((1, 2, 3)) & (images < 1).all((1, 2, 3))])
    (log_width,) = flow.parameters()
    optimiser = torch.optim.Adam([log_width], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total_iters=200)
    before = flow.log_prob(x).mean()
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        optimiser.zero_grad()
        torch.stack(flow.loss(x, Call(mode="train", generator=generator))).sum(0).mean().backward()
        assert log_width.grad is not None
        assert bool(log_width.grad != 0)
        optimiser.step()
        schedule.step()

    # E_q[log p(c, x)] + H(q) is -w^2 tr(P) / 2 + D log w but for a constant, P the precision of c.
    precision = np.linalg.inv((both := np.vstack(known.images)) @ both.T)[-4:, -4:]
    best = math.sqrt(4 / np.trace(precision))
    assert float(log_width.detach().exp()) == pytest.approx(best, rel=0.02)
    assert float(flow.log_prob(x).mean().detach() - before.detach()) > 10.0


def fitted(pixels: Any, levels: int = 3, bijector: Any = "gaussian", **transform: Any) -> Flow:
    flow = flowzoo.create_model(
        "msflow-image",
        (1, 8, 8),
        levels=levels,
        bins=17,
        pixels=pixels,
        seed=0,
        transform=transform,
        bijector=bijector,
    )
    flow.initialise([dequantise(load_dataset("digits").split("train").take(range(500)), 17)])
    return flow


def evaluated(flow: Flow, **arguments: Any) -> Likelihood:
    return evaluate_likelihood(flow, load_dataset("digits").split("test"), limit=20, **arguments)


@pytest.mark.parametrize(("levels", "extra"), [(2, 1 / 4), (3, 1 / 4 + 1 / 16), (4, 21 / 64)])
def test_the_bound_is_the_joint_figure_and_the_bits_of_the_coarse_images(levels: int, extra: float) -> None:
    found = evaluated(fitted("affine", levels, proposal="uniform"))

    assert found.joint_bits_per_dim is not None
    assert found.bits_per_dim == pytest.approx(found.joint_bits_per_dim + math.log2(17) * extra, abs=1e-6)
    shares = {name: share for name, share in found.terms.items() if not name.endswith("transform")}
    assert sum(shares.values()) == pytest.approx(found.joint_bits_per_dim, abs=1e-6)


def test_the_joint_figure_is_a_mean_over_the_draws_and_the_bound_is_not() -> None:
    flow = fitted("affine", proposal="uniform")
    one, many = evaluated(flow), evaluated(flow, importance_samples=8)

    assert one.joint_bits_per_dim is not None
    assert many.joint_bits_per_dim is not None
    gained = one.bits_per_dim - many.bits_per_dim
    assert gained > 0.01
    assert many.joint_bits_per_dim == pytest.approx(one.joint_bits_per_dim, abs=gained / 4)
    assert sum(many.terms.values()) == pytest.approx(many.bits_per_dim, abs=1e-6)


@pytest.mark.parametrize(
    ("pixels", "transform"),
    [
        ({"name": "logit", "alpha": 1e-3}, {"proposal": "uniform"}),
        ({"name": "affine", "scale": 2.0}, {"proposal": "uniform"}),
        ("affine", {"proposal": "uniform", "width": 0.1}),
        ("affine", {"proposal": "gaussian"}),
    ],
)
def test_there_is_no_joint_figure_but_of_dequantised_coarse_images_in_pixel_space(
    pixels: Any, transform: dict[str, Any]
) -> None:
    assert evaluated(fitted(pixels, **transform)).joint_bits_per_dim is None


def test_what_draws_nothing_has_neither_joint_figure_nor_proposal() -> None:
    found = evaluated(fitted("affine", levels=1, proposal="uniform"))

    assert found.joint_bits_per_dim is None
    assert found.proposal == ""


def test_the_density_of_exact_transforms_stays_in_the_joint_figure() -> None:
    drawing = flowzoo.create_model("msflow-image", (1, 4, 4), levels=2, transform={"proposal": "uniform"})
    halves = Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), Wave())
    first = Level(drawing.level(0).transform, IdentityBijector(), drawing.level(0).split, Wave())
    last = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Wave())
    flow = Flow((1, 4, 4), [first, halves, last], Affine())
    images = TensorImages(torch.arange(32, dtype=torch.uint8).reshape(2, 1, 4, 4))

    found = evaluate_likelihood(flow, images)

    assert found.terms["level 1, transform"] != 0.0
    assert found.joint_bits_per_dim == pytest.approx(
        found.bits_per_dim - found.terms["level 0, transform"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("transform", "proposal"),
    [
        ({"proposal": "uniform"}, "uniform, width 1/17, K=2"),
        ({"proposal": "uniform", "width": 0.125}, "uniform, width 0.125, K=2"),
        ({}, "gaussian, width set by data, K=2"),
        ({"width": 0.125}, "gaussian, width 0.125, K=2"),
    ],
)
def test_the_proposal_is_stated(transform: dict[str, Any], proposal: str) -> None:
    assert evaluated(fitted("affine", **transform), importance_samples=2).proposal == proposal


def test_an_image_s_figure_does_not_depend_on_its_batch() -> None:
    flow = fitted("affine")
    figures = [evaluated(flow, batch_size=size, importance_samples=2).bits_per_dim for size in (20, 7, 1)]

    assert figures[1:] == pytest.approx([figures[0]] * 2, abs=1e-5)


def test_more_draws_with_an_estimated_trace_are_refused() -> None:
    with pytest.raises(OptionError, match="exact=True"):
        evaluated(fitted("affine", bijector=TINY), importance_samples=2, exact=False)
