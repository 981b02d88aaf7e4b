"""Annealed samples: against ``T * N(0, I)`` where volume is preserved, else against integrated densities."""

from __future__ import annotations

import functools
import random

import jaxtyping
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from flowzoo.api import (
    EVALUATION,
    Call,
    ConditionalBijector,
    Flow,
    IdentityBijector,
    IdentityTransform,
    Images,
    KeepNothing,
    Ledger,
    Level,
    NumericalError,
    OptionError,
)
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise
from flowzoo_wavelet_flow.annealing import Progress, annealed_log_prob, annealed_sample
from flowzoo_wavelet_flow.nuts import nuts

TEMPERATURE = 0.5


class SinhArcsinh(ConditionalBijector):
    """``z = sinh(a asinh(x))``, with a tail weight ``a`` between 1 and 3 that the context sets."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        a = self.weight(x, context)
        inner = a * torch.asinh(x)
        log_det = torch.log(a) + torch.log(torch.cosh(inner)) - 0.5 * torch.log1p(x.square())
        return torch.sinh(inner), log_det.flatten(1).sum(1)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return torch.sinh(torch.asinh(z) / self.weight(z, context))

    def weight(self, x: Images, context: Images | None) -> Tensor:
        return torch.full_like(x, 2.0) if context is None else 1.0 + 2.0 * torch.sigmoid(context)


def two_values() -> Flow:
    """A flow over two values: the first on its own, the second given the first."""
    split = build_component("split", "halves", (2, 1, 1))
    levels = [
        Level(IdentityTransform(), IdentityBijector(), split, SinhArcsinh()),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), SinhArcsinh()),
    ]
    # The pixel transform takes [0, 1) to [0, 1): the images that are sampled are the levels' values.
    pixels = build_component("bijector", "affine", (2, 1, 1), None)
    return Flow((2, 1, 1), levels, pixels).double()


def annealed_ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the values' distribution function under ``p^gamma / Z``, by integration on a grid."""
    x = np.sinh(np.linspace(-6, 6, 4001))
    inner = weight[:, None] * np.arcsinh(x)
    log_p = stats.norm.logpdf(np.sinh(inner)) + np.log(weight[:, None] * np.cosh(inner) / np.hypot(1, x))
    density = np.exp(log_p / TEMPERATURE**2)
    steps = np.diff(x) * (density[:, 1:] + density[:, :-1]) / 2
    distribution = np.concatenate([np.zeros((len(weight), 1)), steps.cumsum(1)], axis=1)
    distribution /= distribution[:, -1:]
    return np.array([np.interp(v, x, each) for v, each in zip(values, distribution, strict=True)])


def test_densities_that_are_not_volume_preserving_are_annealed_level_by_level() -> None:
    count = 800
    images = annealed_sample(two_values(), count, TEMPERATURE, seed=0, warmup=40, steps=15)
    first, second = images.reshape(count, 2).numpy().T
    ranks = annealed_ranks(first, np.full(count, 2.0))
    assert stats.kstest(ranks, "uniform").pvalue > 0.01
    ranks = annealed_ranks(second, 1.0 + 2.0 / (1.0 + np.exp(-first)))
    assert stats.kstest(ranks, "uniform").pvalue > 0.01


def test_scaled_latents_are_another_distribution() -> None:
    """What the test above could not tell apart would make it worthless."""
    images = two_values().sample(1500, temperature=TEMPERATURE, seed=0)
    ranks = annealed_ranks(images[:, 0, 0, 0].numpy(), np.full(1500, 2.0))
    assert stats.kstest(ranks, "uniform").pvalue < 1e-4


def additive_glow() -> ConditionalBijector:
    options = {"steps": 2, "additive": True, "network": {"hidden": 4}}
    glow: ConditionalBijector = build_component("bijector", "glow", (3, 2, 2), (1, 2, 2), **options).double()
    generator = torch.Generator().manual_seed(0)
    x, context = (torch.randn(64, c, 2, 2, generator=generator, dtype=torch.float64) for c in (3, 1))
    glow(x, context, Call("initialise", ledger=Ledger()))
    randomise(glow, seed=0)
    return glow


def test_where_volume_is_preserved_the_latents_are_those_of_a_scaled_normal() -> None:
    """Whatever they start from."""
    context = torch.randn(50, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = functools.partial(
        annealed_log_prob, additive_glow(), context, temperature=TEMPERATURE, dtype=torch.float64
    )
    z = nuts(target, torch.zeros(50, 3, 2, 2), 0, 25, 8, lambda done, state: None).flatten(1).numpy()
    count = z.size
    assert abs(z.mean()) < 4 * TEMPERATURE / count**0.5
    assert abs(z.var() / TEMPERATURE**2 - 1) < 4 * (2 / count) ** 0.5
    assert stats.kstest(z.flatten(), "norm", args=(0, TEMPERATURE)).pvalue > 0.01
    standard = stats.zscore(z)
    assert abs(standard.T @ standard / len(z) - np.eye(12)).max() < 5 / len(z) ** 0.5


def test_the_target_is_the_power_of_the_density_times_the_volume() -> None:
    """``log p(x)^gamma + log |dx/dz|``, up to a constant."""
    bijector = SinhArcsinh()
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(9, 1, 1, 1)
    z, log_det = bijector(x)
    found = annealed_log_prob(bijector, None, z, temperature=0.5, dtype=torch.float64)
    expected = -4 * bijector.loss(x) - log_det
    torch.testing.assert_close(found - found[0], expected - expected[0])


def test_the_global_random_states_are_left_alone_and_seeds_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests' run-time type checks choose at random which element of a tuple they look at.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    flow = two_values()
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    first, again, other = (annealed_sample(flow, 3, 0.9, seed=seed, warmup=3, steps=2) for seed in (1, 1, 2))
    after = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_transition_is_told_of() -> None:
    told: list[Progress] = []
    annealed_sample(two_values(), 2, 0.9, warmup=3, steps=2, progress=told.append)
    assert [(each.level, each.done, each.total) for each in told] == [
        (level, done, 5) for level in (1, 0) for done in range(1, 6)
    ]
    assert "step size" in told[0].state


def test_at_temperature_one_there_is_nothing_to_anneal() -> None:
    told: list[Progress] = []
    images = annealed_sample(two_values(), 2000, 1.0, progress=told.append)
    assert not told
    z, _ = SinhArcsinh()(images[:, :1])
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 0.01


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"temperature": 0.0}, "the temperature is 0"),
        ({"temperature": float("nan")}, "the temperature is nan"),
        ({"n": 0}, "n is 0"),
        ({"warmup": 0}, "warmup is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(changed: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        annealed_sample(two_values(), **{"n": 2, **changed})


class Broken(SinhArcsinh):
    """Its log-determinant is not a number."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        z, log_det = super().forward(x, context, call)
        return z, log_det * torch.nan


def test_a_target_that_is_not_finite_is_reported() -> None:
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Broken())
    flow = Flow((1, 1, 1), [level], build_component("bijector", "affine", (1, 1, 1), None))
    with pytest.raises(NumericalError, match="not finite where sampling starts"):
        annealed_sample(flow, 2, 0.9)
