"""Bits per dimension of a model on a data set, with all conditions of the figure.

Everything that is drawn, the dequantisation noise and the coarse images ``c`` of stochastic transforms,
is drawn ``K`` times and weighted by its own density, so that the figure is a bound in expectation::

    bits/dim = -E[log 1/K sum_k p(x_k, c_k) / (q(u_k | a) q(c_k | x_k))] / (D log 2) + log2 M
            >= -log2 P(a) / D,    x_k = (a + u_k) / M
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor

from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import ImageSource
from flowzoo.dequantisation import Uniform
from flowzoo.errors import OptionError
from flowzoo.evaluation.audit import Audit, audit_likelihood
from flowzoo.evaluation.density.audit import SECONDS, audit_density
from flowzoo.evaluation.density.figure import Figure
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.findings import Findings, Row
from flowzoo.evaluation.impossible import impossible
from flowzoo.evaluation.measured_images import MeasuredImages
from flowzoo.evaluation.notes import stated
from flowzoo.evaluation.observer import SILENT, Observer
from flowzoo.evaluation.pilot import calibrate_on_pilot
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.integers import positive_integer, positive_number
from flowzoo.metric import NOT_AUDITED
from flowzoo.origin import blamed, naming_the_component
from flowzoo.seeds import check_seed
from flowzoo.shapes import IntegerImages, PerImage
from flowzoo.solving import Finding, Solving
from flowzoo.tensors import trainable
from flowzoo.terms import FlowTerms
from flowzoo.units import bits_per_dim, nats_to_bits

EXACT_UP_TO = 64
"""Number of dimensions up to which exact log-determinants are requested by default."""


@dataclass(frozen=True)
class Likelihood:
    """Bits per dimension on one split, and the conditions under which they hold.

    Attributes:
        bits_per_dim: Mean over the images, an upper bound in expectation.
        standard_error: Spread of the per-image values over the square root of their number; the noise of
            probes, drawn for each image on its own, is part of it.
        valid: Whether the figure may be ranked: there are no ``objections``.
        objections: Why the figure must not be ranked: the images are not those of a split
            (:mod:`~flowzoo.evaluation.measured_images`); the density audit failed, or was left out
            (``density``); sums over the images are impossible for probabilities
            (:mod:`~flowzoo.evaluation.impossible`); nothing is known of what a log-determinant is worth
            (``exactness``); or a solver's error was not measured, or is not small
            (:meth:`~flowzoo.evaluation.audit.Audit.is_small`).
        exactness: Exactness of the least exact log-determinant of the parts.
        estimated: Whether a log-determinant was an estimate. A bound may rest on an estimate too.
        joint_bits_per_dim: As ``bits_per_dim`` at one draw, with the proposals' density left out: that of the
            images and the drawn coarse images together. It is no bound on the likelihood of the images and is
            never ranked. It is shown as ``joint_bpd``, beside the papers that report it. None unless coarse
            images are drawn as dequantisation draws, and pixels are left as they are.
        proposal: The distribution from which stochastic transforms draw, and ``K``; empty without such
            transforms.
        images: Number of images that were used.
        importance_samples: ``K``, samples of dequantisation noise and coarse images for each image.
        dequantisation: How integers were made continuous.
        trace: ``exact``, or how it was estimated; empty for models that compute it in closed form.
        solver: ODE solver and tolerance; empty for models without.
        audit: The solver's error on some of the images; None for models without a solver, or where it was
            left out.
        density: The outcome of the density audit; None where it was left out.
        terms: Bits/dim by row: each level's terms, the pixels and ``log2 bins``. The rows add up.
        evaluations: Average number of evaluations of all vector fields for one batch.
        components: Measurements that components reported, averaged over batches.
        parameters: Trainable parameters of the model.
        seconds: Time spent, without the audits.
        seed: Seed of noise and probes.
    """

    bits_per_dim: float
    standard_error: float | None
    valid: bool
    objections: tuple[str, ...]
    exactness: Exactness
    estimated: bool
    joint_bits_per_dim: float | None
    proposal: str
    images: int
    importance_samples: int
    dequantisation: str
    trace: str
    solver: str
    audit: Audit | None
    density: DensityAudit | None
    terms: Mapping[str, float] = field(repr=False)
    evaluations: float
    components: tuple[Row, ...] = field(repr=False)
    parameters: int
    seconds: float
    seed: int

    def objected(self, *objections: str) -> Likelihood:
        """Return a copy that must not be ranked for these reasons too; an equal one if there are none."""
        return replace(self, valid=self.valid and not objections, objections=(*self.objections, *objections))


class Measuring(TypedDict, total=False):
    """How images are measured: keywords of :func:`evaluate_likelihood` that others pass on."""

    importance_samples: int
    exact: bool | None
    batch_size: int
    seed: int
    audit: bool
    audit_seconds: float


@torch.no_grad()
@naming_the_component()
def evaluate_likelihood(
    flow: Flow,
    source: ImageSource,
    *,
    importance_samples: int = 1,
    exact: bool | None = None,
    limit: int | None = None,
    batch_size: int = 100,
    seed: int = 0,
    audit: bool = True,
    audit_seconds: float = SECONDS,
    observer: Observer[Likelihood, Tensor] = SILENT,
) -> Likelihood:
    """Measure bits per dimension.

    An image's noise and probes are seeded by its index, and solvers fix their steps on pilot images
    (:mod:`~flowzoo.evaluation.pilot`), so an image's figure does not depend on the batch that it stands in.

    Args:
        flow: The model.
        source: The images.
        importance_samples: ``K``, samples of noise and coarse images for each image, combined by
            log-mean-exp, which tightens the bound.
        exact: Request exact log-determinants (True), use the model's own settings (False), or request them
            for images of up to 64 dimensions (None).
        limit: Use the first images only.
        batch_size: Number of images at once; the pilot of a model that calibrates has up to 32, the audit of
            the solver up to 16.
        seed: Seed of noise and probes.
        audit: Check that the figure is that of a density (:mod:`flowzoo.evaluation.density`), and measure
            the error of solvers (:mod:`~flowzoo.evaluation.audit`). A figure without an audit is never
            ranked.
        audit_seconds: Approximate time that the density audit may spend on Jacobians, and once more the audit
            of the solver, which judges four images in any case.
        observer: Follows the evaluation. Its ``measured`` gets a :class:`Likelihood`, and the bits/dim of
            each image, ``(images,)``, float64, on the CPU.

    Raises:
        OptionError: There is more than one importance sample and an estimated log-determinant, whose noise
            would inflate the figure; or an argument is out of range.
        NumericalError: A likelihood is not finite.
    """
    samples = positive_integer("importance_samples", importance_samples)
    seed = check_seed(seed)
    limit = None if limit is None else positive_integer("limit, how many images to use,", limit)
    audit_seconds = positive_number("audit_seconds", audit_seconds)
    use_exact = flow.dimensions <= EXACT_UP_TO if exact is None else exact
    sequence = sequential_batches(source, batch_size, limit)
    count = len(source) if limit is None else min(limit, len(source))
    ledger = Ledger()
    began = time.monotonic()
    warm_start = calibrate_on_pilot(flow, source, count, seed, use_exact)
    findings, found = Findings(warm_start), list[Finding]()
    measured_images = MeasuredImages(flow.image_shape, flow.bins)
    values: list[Tensor] = []
    joint_values: list[Tensor] = []
    rows: dict[str, float] = {}
    batches = 0
    log_q = 0.0
    for indices, images in sequence:
        measured_images.add(images)
        generators = per_image_generators(seed, indices)
        solver = Solving(exact=use_exact, warm_start=warm_start, findings=found)
        call = Call(generator=generators, ledger=ledger, solver=solver)
        drawn = _log_prob_of(flow, images, samples, call)
        _refuse_estimates(samples, ledger)
        values.append(bits_per_dim(drawn.log_prob, flow.dimensions, flow.bins).double().cpu())
        joint_values.append(bits_per_dim(drawn.joint, flow.dimensions, flow.bins).double().cpu())
        log_q += drawn.log_q
        for name, total in drawn.rows.items():
            rows[name] = rows.get(name, 0.0) + total
        findings.take(found)
        batches += 1
        observer.images(indices.stop, count)
    seconds = time.monotonic() - began
    bits = torch.cat(values)
    standard_error = float(bits.std()) / math.sqrt(count) if count > 1 else None
    # The noise of an estimate may well lead below 0, and is judged by its mean.
    log_prob = 0.0 if ledger.estimated else -float(bits.sum()) * flow.dimensions * math.log(2.0)
    refuted = (
        *measured_images.objections(source),
        *impossible(log_prob, log_q),
    )

    def likelihood(density: DensityAudit | None, audited: Audit | None, unjudged: str) -> Likelihood:
        found = _objections(ledger.exactness, density, audited, unjudged, standard_error)
        objections = (*refuted, *found)
        return Likelihood(
            bits_per_dim=float(bits.mean()),
            standard_error=standard_error,
            valid=not objections,
            objections=objections,
            exactness=ledger.exactness,
            estimated=ledger.estimated,
            joint_bits_per_dim=float(torch.cat(joint_values).mean()) if _has_joint_figure(flow) else None,
            proposal=f"{stated(ledger, 'proposal')}, K={samples}" if flow.stochastic else "",
            images=count,
            importance_samples=samples,
            dequantisation=flow.dequantisation.title,
            trace=stated(ledger, "trace"),
            solver=stated(ledger, "solver"),
            audit=audited,
            density=density,
            terms={name: total / count for name, total in rows.items()} | {"log2 bins": math.log2(flow.bins)},
            evaluations=ledger.counts.get("evaluations", 0.0) / (batches * samples),
            components=components,
            parameters=trainable(flow),
            seconds=seconds,
            seed=seed,
        )

    components = findings.rows()
    observer.measured(likelihood(None, None, ""), bits)
    if not audit:
        return likelihood(None, None, "")
    audited: Audit | None = None
    unjudged = ""
    if flow.solves:
        try:
            audited = audit_likelihood(
                flow, source, count, seed, use_exact, warm_start, audit_seconds, observer.solver_audit
            )
        except (Exception, SystemExit) as problem:  # the figure has been measured, and is not lost to it
            unjudged = f"could not be audited: {blamed(problem)}"

    def measure(copied: Flow, images: IntegerImages, call: Call) -> Tensor:
        log_prob = _log_prob_of(copied, images, samples, call).log_prob
        return bits_per_dim(log_prob, copied.dimensions, copied.bins)

    figure = Figure(
        flow=flow,
        source=source,
        bits=bits,
        importance_samples=samples,
        measure=measure,
        seed=seed,
        exact=use_exact,
        warm_start=warm_start,
        solved=flow.solves,
        estimated=ledger.estimated,
    )
    return likelihood(audit_density(figure, audit_seconds, observer.audit), audited, unjudged)


class _Drawn(NamedTuple):
    """The results of the importance samples for a batch of images.

    Attributes:
        log_prob: Log-mean-exp of ``log p`` over the samples, ``(B,)``, nats.
        joint: Mean over the samples of ``log p`` without the proposals' density, ``(B,)``, nats.
        rows: Bits/dim by row, summed over the images.
        log_q: Log-density of the noise of dequantisation, summed over samples and images, nats.
    """

    log_prob: PerImage
    joint: PerImage
    rows: dict[str, float]
    log_q: float


def _log_prob_of(flow: Flow, images: IntegerImages, samples: int, call: Call) -> _Drawn:
    found: list[PerImage] = []
    joint: list[PerImage] = []
    rows: dict[str, float] = {}
    total_log_q = 0.0
    for _ in range(samples):
        x, log_q = flow.dequantise(images, call)
        terms = flow.terms(x, call)
        log_prob = terms.total()
        log_prob = log_prob - log_q.to(log_prob.dtype)
        found.append(log_prob)
        joint.append(log_prob - _proposals(flow, terms))
        noise = {} if _is_uniform(flow) else {"dequantisation": -log_q}
        total_log_q += 0.0 if _is_uniform(flow) else float(log_q.double().sum())
        for name, nats in (noise | _rows(terms)).items():
            bits = float(nats_to_bits(-nats, flow.dimensions).double().sum())
            rows[name] = rows.get(name, 0.0) + bits / samples
    log_prob = torch.logsumexp(torch.stack(found), dim=0) - math.log(samples)
    if samples > 1:
        plain = torch.stack(found).mean(0)
        rows["gain of the samples"] = float(nats_to_bits(plain - log_prob, flow.dimensions).double().sum())
    return _Drawn(log_prob, torch.stack(joint).mean(0), rows, total_log_q)


def _proposals(flow: Flow, terms: FlowTerms) -> PerImage:
    """Return ``-log q`` of all that stochastic transforms drew."""
    total = torch.zeros_like(terms.pixels)
    for place, level in enumerate(terms.levels):
        if flow.level(place).transform.traits.stochastic:
            total = total + level.transform
    return total


def _is_uniform(flow: Flow) -> bool:
    return type(flow.dequantisation) is Uniform


def _has_joint_figure(flow: Flow) -> bool:
    """Whether every coarse image is drawn with the noise of dequantisation, in the units of the pixels."""
    transforms = [flow.level(place).transform for place in range(len(flow.levels))]
    if not flow.stochastic or not _is_uniform(flow):
        return False
    if not all(each.traits.dequantises for each in transforms if each.traits.stochastic):
        return False
    x = torch.linspace(0.0, 1.0, flow.dimensions + 1, dtype=flow.dtype, device=flow.device)[:-1]
    x = x.reshape(1, *flow.image_shape)
    return bool((flow.pixels(x)[0] == x).all())


def _rows(terms: FlowTerms) -> dict[str, PerImage]:
    rows = {"pixels": terms.pixels}
    for place, level in enumerate(terms.levels):
        rows |= {f"level {place}, {name}": value for name, value in level._asdict().items()}
    return rows


def _refuse_estimates(samples: int, ledger: Ledger) -> None:
    if samples > 1 and ledger.estimated:
        raise OptionError(
            f"{samples} importance samples need exact log-determinants, and this model estimates one. The "
            "noise of an estimate inflates a mean of likelihoods, so that the figure is no bound. "
            "Use one sample, or the exact trace (exact=True)"
        )


def _objections(
    exactness: Exactness,
    density: DensityAudit | None,
    audit: Audit | None,
    unjudged: str,
    standard_error: float | None,
) -> Iterator[str]:
    yield from (NOT_AUDITED,) if density is None else density.objections
    if exactness is Exactness.NONE:
        yield "no bound on the likelihood of the images: nothing is known of how exact a log-determinant is"
    if unjudged and audit is None:
        yield f"the solver's error {unjudged}"
    if audit is not None and not audit.is_small(standard_error):
        yield (
            f"the solver's error is not small, {audit.mean:+.4f} bits/dim on average. "
            "Lower bijector.evaluation_tolerance, or raise bijector.evaluation_steps"
        )
