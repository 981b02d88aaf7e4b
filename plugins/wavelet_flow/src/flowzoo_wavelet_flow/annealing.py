"""Annealed sampling: every level's density raised to a power, by NUTS in latent space."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch

from flowzoo.api import (
    HIGHEST_TEMPERATURE,
    Call,
    ConditionalBijector,
    Flow,
    Images,
    NumericalError,
    OptionError,
    PerImage,
    Solving,
    check_seed,
    positive_integer,
    standard_normal_log_prob,
)
from flowzoo_wavelet_flow.nuts import ADVICE, nuts


class Progress(NamedTuple):
    """The progress of annealed sampling.

    Attributes:
        level: Place of the level that is sampled, 0 being the finest.
        done: Number of NUTS transitions that are done at this level.
        total: Number of transitions at this level.
        state: Step size and acceptance probability, in words.
    """

    level: int
    done: int
    total: int
    state: str


@torch.no_grad()
def annealed_sample(
    flow: Flow,
    n: int,
    temperature: float = 0.97,
    *,
    seed: int = 0,
    warmup: int = 100,
    steps: int = 50,
    progress: Callable[[Progress], object] | None = None,
) -> Images:
    """Draw images from every level's density to the power ``gamma = 1 / T^2``, renormalised.

    Level by level, coarsest first, NUTS moves latents ``z`` whose details follow ``p_s^gamma / Z_s``::

        log target(z) = gamma log N(z; 0, I) + (gamma - 1) log |det dz/dx|  at x(z)

    NUTS starts from ``T * N(0, I)``, which is already the target if the determinant is constant. The result
    is ``prod_s p_s^gamma / Z_s(x_{s-1})``, which is not ``p(x)^gamma``. If a flow has joints, each level's
    conditional only is annealed.

    The chains of the images are independent: their latents make one state, whose target is the product of
    theirs. All have the same step size and the same length of each trajectory.

    Args:
        flow: The trained model.
        n: Number of images; each has its own chain.
        temperature: ``T``, above 0; at 1 latents are drawn without NUTS.
        seed: Makes the draw repeatable; the global random state is not touched.
        warmup: Transitions at each level that adapt the step size.
        steps: Transitions at each level after them; the state after the last is the sample.
        progress: Called after every transition.

    Returns:
        ``(n, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside.

    Raises:
        OptionError: An argument is out of range.
        NumericalError: The target or an image is not finite, or most trajectories diverged.

    References:
        Yu, Derpanis and Brubaker, "Wavelet Flow", 2020; Hoffman and Gelman, "The No-U-Turn Sampler", 2014.
    """
    _check_temperature(temperature)
    n, warmup, steps = (
        positive_integer(name, value) for name, value in (("n", n), ("warmup", warmup), ("steps", steps))
    )
    generator = torch.Generator().manual_seed(check_seed(seed))
    call = Call(generator=generator, solver=Solving(exact=True))
    x: Images | None = None
    for place in reversed(range(len(flow.levels))):
        level = flow.level(place)
        blank = torch.empty((n, *flow.latent_shapes[place]), dtype=flow.dtype)
        z = (call.normal(blank) * temperature).to(flow.device)
        if temperature != 1.0 and z.numel():
            target = functools.partial(
                annealed_log_prob, level.conditional, x, temperature=temperature, dtype=flow.dtype
            )
            draws = int(torch.randint(2**62, (), generator=generator))
            report = functools.partial(_report, progress, place, warmup + steps)
            z = nuts(target, z, draws, warmup, steps, report)
        x = level.inverse(x, z.to(flow.dtype), call)
    assert x is not None, "a flow has levels"
    x = flow.pixels.inverse(x, None, call)
    if not bool(x.isfinite().all()):
        raise NumericalError(f"an annealed image is not finite; {ADVICE}")
    return x


def annealed_log_prob(
    conditional: ConditionalBijector,
    context: Images | None,
    z: Images,
    *,
    temperature: float,
    dtype: torch.dtype,
) -> PerImage:
    """Return the log-density that latents of one level are drawn from, up to a constant, ``(n,)``, nats.

    Args:
        conditional: Maps data to latents.
        context: The context images, or None.
        z: ``(n, C, H, W)``; its dtype is that of the result.
        temperature: ``T``.
        dtype: The dtype in which the bijector computes.
    """
    gamma = temperature**-2
    call = Call(solver=Solving(exact=True))
    x = conditional.inverse(z.to(dtype), context, call)
    _, log_det = conditional(x, context, call)
    return gamma * standard_normal_log_prob(z) + (gamma - 1.0) * log_det.to(z.dtype)


def _report(
    progress: Callable[[Progress], object] | None, level: int, total: int, done: int, state: str
) -> None:
    if progress is not None:
        progress(Progress(level, done, total, state))


def _check_temperature(temperature: float) -> None:
    if not 0.0 < temperature <= HIGHEST_TEMPERATURE:
        raise OptionError(
            f"the temperature is {temperature}; give a number above 0, and at most {HIGHEST_TEMPERATURE:g}"
        )
