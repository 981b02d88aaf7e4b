"""Bits per dimension of a model on a data set, with everything that must stand beside the figure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import ImageSource
from flowzoo.dequantisation import dequantise
from flowzoo.errors import OptionError
from flowzoo.flow import Flow, FlowTerms
from flowzoo.run import Ledger, Run, per_image_generators
from flowzoo.shapes import IntegerImages, PerImage
from flowzoo.units import bits_per_dim, nats_to_bits

EXACT_UP_TO = 64
"""Dimensions up to which components are asked for exact log-determinants unless the caller says otherwise."""


@dataclass(frozen=True)
class Likelihood:
    """Bits per dimension on one split, and the conditions under which they hold.

    Attributes:
        bits_per_dim: Mean over the images, an upper bound in expectation.
        standard_error: Spread of the per-image values over the square root of their number; the noise of
            probes, drawn for each image on its own, is part of it.
        valid: Whether the figure is a bound on the likelihood of the images, up to the errors stated.
        images: How many were used.
        draws: Dequantisation draws an image, ``K``.
        dequantisation: How integers were made continuous.
        trace: ``exact``, or how it was estimated; empty for models that compute it in closed form.
        solver: ODE solver and tolerance; empty for models without.
        shares: Bits/dim by row: each level's terms, the pixels and ``log2 bins``; the rows add up.
        evaluations: Function evaluations of all vector fields, for one batch on average.
        parameters: Trainable parameters of the model.
        seconds: Spent.
        seed: Of noise and probes.
    """

    bits_per_dim: float
    standard_error: float | None
    valid: bool
    images: int
    draws: int
    dequantisation: str
    trace: str
    solver: str
    shares: Mapping[str, float] = field(repr=False)
    evaluations: float
    parameters: int
    seconds: float
    seed: int


@torch.no_grad()
def evaluate_likelihood(
    flow: Flow,
    source: ImageSource,
    *,
    draws: int = 1,
    exact: bool | None = None,
    limit: int | None = None,
    batch_size: int = 100,
    seed: int = 0,
    progress: Callable[[int], None] = lambda images: None,
) -> Likelihood:
    """Measure bits per dimension.

    An image's noise and probes are seeded by its index, so its figure depends neither on the other images
    nor, up to a solver's tolerance, on the batch that it stands in.

    Args:
        flow: The model.
        source: The images.
        draws: ``K`` dequantisation draws, combined by log-mean-exp, which tightens the bound.
        exact: Ask for exact log-determinants (True), take what the model does (False), or ask for them on
            images of up to 64 dimensions (None).
        limit: Use the first images only.
        batch_size: Images at once.
        seed: Of noise and probes.
        progress: Told how many images are done after each batch.

    Raises:
        OptionError: More than one draw with an estimated trace, whose noise would inflate the figure; or
            ``draws`` is not positive.
        NumericalError: A likelihood is not finite.
    """
    if draws < 1:
        raise OptionError(f"draws must be at least 1, got {draws}")
    use_exact = flow.dimensions <= EXACT_UP_TO if exact is None else exact
    ledger = Ledger()
    began = time.monotonic()
    values: list[Tensor] = []
    rows: dict[str, float] = {}
    batches = 0
    for indices, images in sequential_batches(source, batch_size, limit):
        run = Run(generator=per_image_generators(seed, indices), exact=use_exact, ledger=ledger)
        log_prob, found = _draw_log_prob(flow, images, draws, run)
        _refuse_noisy_draws(draws, ledger)
        values.append(bits_per_dim(log_prob, flow.dimensions, flow.bins).double().cpu())
        for name, share in found.items():
            rows[name] = rows.get(name, 0.0) + share
        batches += 1
        progress(len(indices))
    bits = torch.cat(values)
    count = len(bits)
    return Likelihood(
        bits_per_dim=float(bits.mean()),
        standard_error=float(bits.std()) / math.sqrt(count) if count > 1 else None,
        valid=True,
        images=count,
        draws=draws,
        dequantisation="uniform",
        trace=_facts(ledger, "trace"),
        solver=_facts(ledger, "solver"),
        shares={name: share / count for name, share in rows.items()} | {"log2 bins": math.log2(flow.bins)},
        evaluations=ledger.counts.get("evaluations", 0.0) / (batches * draws),
        parameters=sum(parameter.numel() for parameter in flow.parameters() if parameter.requires_grad),
        seconds=time.monotonic() - began,
        seed=seed,
    )


def _draw_log_prob(
    flow: Flow, images: IntegerImages, draws: int, run: Run
) -> tuple[PerImage, dict[str, float]]:
    """Return log-mean-exp of ``log p`` over the draws, and the rows' bits summed over the images."""
    found: list[PerImage] = []
    rows: dict[str, float] = {}
    for _ in range(draws):
        x = dequantise(images.to(flow.device), flow.bins, run)
        terms = flow.terms(x, run)
        found.append(terms.total())
        for name, nats in _rows(terms).items():
            bits = float(nats_to_bits(-nats, flow.dimensions).double().sum())
            rows[name] = rows.get(name, 0.0) + bits / draws
    log_prob = torch.logsumexp(torch.stack(found), dim=0) - math.log(draws)
    if draws > 1:
        plain = torch.stack(found).mean(0)
        rows["gain of the draws"] = float(nats_to_bits(plain - log_prob, flow.dimensions).double().sum())
    return log_prob, rows


def _rows(terms: FlowTerms) -> dict[str, PerImage]:
    rows = {"pixels": terms.pixels}
    for place, level in enumerate(terms.levels):
        rows |= {f"level {place}, {name}": value for name, value in level._asdict().items()}
    return rows


def _refuse_noisy_draws(draws: int, ledger: Ledger) -> None:
    estimated = [fact for fact in ledger.notes.get("trace", ()) if fact != "exact"]
    if draws > 1 and estimated:
        raise OptionError(
            f"{draws} draws need exact log-determinants: the noise of an estimated trace ({estimated[0]}) "
            "inflates a mean of likelihoods, and the figure would be no bound; "
            "use one draw, or ask for the exact trace"
        )


def _facts(ledger: Ledger, name: str) -> str:
    return "; ".join(sorted(ledger.notes.get(name, ())))
