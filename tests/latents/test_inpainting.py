"""Inpainting against conditional distributions that are known, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest

from flowzoo.builtin.affine import Affine
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import Call
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.latents.inpainting import inpaint
from flowzoo.level import Level
from tests.latents.test_interpolation import drawing
from tests.test_scaling import images
from tests.toys import Wave

RIGHT = torch.tensor([[False, True], [False, True]])


def wave() -> Flow:
    """Return a model of independent pixels whose density is far from a Gaussian's."""
    bijector = Wave(conditional=False)
    bijector.a.data.fill_(0.55)
    whole = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)
    return Flow((1, 2, 2), [whole], Affine()).double()


def test_the_missing_values_of_independent_pixels_are_as_the_model_draws_them() -> None:
    flow, x = wave(), torch.full((1, 1, 2, 2), 0.25, dtype=torch.float64)
    found = inpaint(flow, x, RIGHT, steps=80, seed=0, draws=300)
    assert found.images.shape == (1, 300, 1, 2, 2)
    assert torch.equal(found.images[0][:, :, :, 0], x.expand(300, 1, 2, 2)[:, :, :, 0])
    z, _ = flow.level(0).conditional(found.images[0])
    assert kstest(z[:, :, :, 1].flatten().detach(), "norm").pvalue > 0.05
    assert 0.4 < float(found.acceptance.mean()) < 0.8


def test_chains_that_have_not_moved_are_told_apart() -> None:
    flow, x = wave(), torch.full((1, 1, 2, 2), 0.25, dtype=torch.float64)
    z, _ = flow.level(0).conditional(inpaint(flow, x, RIGHT, steps=1, seed=0, draws=300).images[0])
    assert kstest(z[:, :, :, 1].flatten().detach(), "norm").pvalue < 1e-3


def test_a_gaussian_s_missing_values_have_its_conditional_mean_and_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(500, 4, generator=generator, dtype=torch.float64)
    data = 0.5 + (noise @ mixing).reshape(-1, 1, 2, 2) / 20
    gaussian = Gaussian((1, 2, 2)).double()
    gaussian(data, None, Call(mode="initialise"))
    whole = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), gaussian)
    flow = Flow((1, 2, 2), [whole], Affine()).double()
    factor, x, draws = gaussian.factor, data[:1], 200
    found = inpaint(flow, x, RIGHT, steps=40, seed=1, draws=draws).images[0].flatten(1)[:, [1, 3]]
    covariance, mean = factor @ factor.T, gaussian.mean.flatten()
    cross, own = covariance[[1, 3]][:, [0, 2]], covariance[[0, 2]][:, [0, 2]]
    expected = mean[[1, 3]] + cross @ torch.linalg.solve(own, x.flatten()[[0, 2]] - mean[[0, 2]])
    spread = covariance[[1, 3]][:, [1, 3]] - cross @ torch.linalg.solve(own, cross.T)
    error = (spread.diagonal() / draws).sqrt()
    assert bool(((found.mean(0) - expected).abs() < 4 * error).all())
    assert bool(((found.var(0) / spread.diagonal()).log().abs() < 4 * (2 / draws) ** 0.5).all())


def test_draws_repeat_with_their_seed_in_any_batches() -> None:
    flow = wave()
    x = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = torch.get_rng_state()
    whole = inpaint(flow, x, RIGHT, steps=5, seed=3, draws=2)
    parts = inpaint(flow, x, RIGHT, steps=5, seed=3, draws=2, batch_size=3)
    torch.testing.assert_close(parts.images, whole.images)
    torch.testing.assert_close(parts.acceptance, whole.acceptance)
    assert not torch.equal(inpaint(flow, x, RIGHT, steps=5, seed=4, draws=2).images, whole.images)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_cannot_be_inpainted_is_refused() -> None:
    flow, x = wave(), torch.full((1, 1, 2, 2), 0.25, dtype=torch.float64)
    with pytest.raises(OptionError, match="exact"):
        inpaint(drawing(), images(), torch.ones(8, 8, dtype=torch.bool))
    for missing, why in ((torch.zeros_like(RIGHT), "no value"), (torch.ones_like(RIGHT), "every value")):
        with pytest.raises(OptionError, match=why):
            inpaint(flow, x, missing)
    for missing in (RIGHT.float(), RIGHT[:1]):
        with pytest.raises(ShapeError, match="booleans of shape"):
            inpaint(flow, x, missing)
    with pytest.raises(ShapeError, match="expected images"):
        inpaint(flow, x[..., :1], RIGHT)
    with pytest.raises(DataError, match="no images"):
        inpaint(flow, x[:0], RIGHT)
    with pytest.raises(DataError):
        inpaint(flow, x + 1.0, RIGHT)
    with pytest.raises(OptionError, match="steps"):
        inpaint(flow, x, RIGHT, steps=0)
