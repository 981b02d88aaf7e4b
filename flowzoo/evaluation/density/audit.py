"""The density audit of a model on a few images of its figure."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flowzoo.call import Call, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.dequantisation import dequantise
from flowzoo.discrepancy import describe_discrepancy
from flowzoo.errors import NumericalError
from flowzoo.evaluation.density.jacobian import choose_derivative
from flowzoo.evaluation.density.judge import HOPELESS, LEAST_IMAGES, Judged, NotSquare, judge
from flowzoo.evaluation.density.locate import locate_fault
from flowzoo.evaluation.density.maps import Settings, Whole, parts_of
from flowzoo.evaluation.density.outcome import (
    BIAS,
    CLOSED_FORM,
    DIFFERENCES,
    LATENT,
    ORDINARY,
    PIXEL,
    SOLVED,
    SOLVED_LATENT,
    SOLVED_PIXEL,
    DensityAudit,
    single_allows,
)
from flowzoo.evaluation.density.rebuild import Rebuilt, crops, rebuild, smaller_sizes
from flowzoo.evaluation.density.round_trip import image_error, latent_error
from flowzoo.evaluation.density.stopwatch import Stopwatch
from flowzoo.flow import Flow
from flowzoo.global_random import random_states_kept
from flowzoo.registry.plugin import one_line
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Solving
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart

AUDITED_IMAGES = 4

SECONDS = 20.0
"""Default budget for the Jacobian."""

MOST_PROBES, FEWEST_PROBES, PROBES_SHARE = 128, 16, 0.1
"""Number of estimates of a trace for each image, and the fraction of the budget that is spent on them."""

MOST_DRAWS = 64
"""Number of draws of noise, for all images together, that are repeated one image at a time."""

TIGHT_COSTS = 10.0
"""A tight pass is assumed to cost this many ordinary ones until it is tried."""

SHRINK = 0.8
"""The next smaller model has at most this fraction of the area of the one that took too long."""

PROBE_SEED = 2**32
"""Added to the figure's seed, for probes that are not the figure's."""

Progress = Callable[[float], None]
"""Called with the fraction of the audit that is done."""


@dataclass(frozen=True)
class Figure:
    """A figure to audit.

    Attributes:
        flow: The model.
        source: The images of the figure.
        bits: Bits/dim of each of the first images, as they were measured, ``(N,)``, float64, on the CPU.
        importance_samples: ``K``, samples of noise and coarse images for each image.
        measure: Measures integer images as the figure was measured: from a model and a call to bits/dim,
            ``(B,)``.
        seed: Seed of the noise and the probes of each image.
        exact: Whether exact log-determinants were requested.
        warm_start: The warm start with which the images were measured.
        solved: Whether the model has solvers.
        estimated: Whether it estimated a trace.
    """

    flow: Flow
    source: ImageSource
    bits: Tensor
    importance_samples: int
    measure: Callable[[Flow, IntegerImages, Call], Tensor]
    seed: int
    exact: bool
    warm_start: WarmStart
    solved: bool
    estimated: bool


@torch.no_grad()
def audit_density(
    figure: Figure, seconds: float = SECONDS, progress: Progress = lambda share: None
) -> DensityAudit:
    """Judge whether a figure is that of a density. A failure on the way becomes part of the outcome.

    Args:
        figure: What to audit. The model is left as it is, and the global random states are too.
        seconds: Approximate time for the Jacobian. The other checks take further time.
        progress: Receives the progress; see :data:`Progress`.
    """
    with random_states_kept():
        return _Audit(figure, seconds, progress).outcome()


def audited_images(bits: Tensor) -> list[int]:
    """Return the places of the images to audit, by their bits/dim.

    The one with the lowest figure comes first, since a density that is wrong for some images alone is wrong
    where it flatters; then one in the middle, the highest, and others.

    >>> audited_images(torch.tensor([3.0, 1.0, 2.0, 4.0, 3.0, 3.0]))
    [1, 3, 0, 2]
    """
    count = len(bits)
    wanted = [int(bits.argmin()), spread(count, 1, 0.5)[0], int(bits.argmax()), *spread(count, 8)]
    return list(dict.fromkeys(wanted))[:AUDITED_IMAGES]


class _Audit:
    """One audit, and what it has found so far."""

    def __init__(self, figure: Figure, seconds: float, progress: Progress) -> None:
        self._figure = figure
        self._seconds = seconds
        self._progress = progress
        self._pass_seconds = 0.0  # of one image in double precision, through encode
        self._unfit = ""  # the first size at which a smaller model fails, and how
        self._indices = audited_images(figure.bits)
        self._integers = figure.source.take(self._indices)
        self._outcome = DensityAudit(objections=(), budget=seconds, seconds=0.0)

    def outcome(self) -> DensityAudit:
        began = time.monotonic()
        try:
            self._single = copy.deepcopy(self._figure.flow)
            self._double = _doubled(self._figure.flow)
        except Exception as problem:
            self._object(f"could not be audited: the model cannot be copied: {one_line(problem)}")
        else:
            self._go_through()
        self._progress(1.0)
        self._note(seconds=time.monotonic() - began)
        return self._outcome

    def _go_through(self) -> None:
        steps: list[tuple[str, Callable[[], None]]] = [
            ("an image alone", self._measure_alone),
            ("double precision", self._measure_in_double),
            ("decode(encode(x))", self._go_and_return),
            ("encode(decode(z))", self._return_and_go),
            ("the Jacobian of encode", self._judge),
        ]
        for place, (what, step) in enumerate(steps):
            try:
                step()
            except (Exception, SystemExit) as problem:  # any exception of a model is a finding about it
                self._object(f"could not be audited: {what}: {one_line(problem)}")
            self._progress(0.02 * (place + 1))

    def _measure_alone(self) -> None:
        """Each image by itself, in single precision as in the figure."""
        # Many draws of one image by itself take long.
        self._again = range(max(1, min(len(self._indices), MOST_DRAWS // self._figure.importance_samples)))
        self._alone = torch.cat([self._measured(self._single, [place]) for place in self._again])
        reported = self._figure.bits[self._indices][: len(self._again)]
        error = _largest(self._alone - reported)
        self._note(batch_error=_finite(error))
        if not single_allows(self._alone - reported, reported):
            self._object(
                "no density: an image's figure depends on the other images of its batch: "
                f"{error:.3g} bits/dim off when it is measured alone"
            )

    def _measure_in_double(self) -> None:
        watch = Stopwatch()
        judged = self._measured(self._double, self._again)
        self._pass_seconds = watch.seconds() / (len(self._again) * self._figure.importance_samples)
        error = _largest(judged - self._alone)
        self._note(precision_error=_finite(error))
        if not single_allows(judged - self._alone, judged):
            self._object(
                f"the figure is off by {error:.3g} bits/dim: it differs in double precision. float32 is too "
                "coarse for the model's weights, or the model depends on the precision"
            )

    def _measured(self, flow: Flow, places: Iterator[int] | range | list[int]) -> Tensor:
        """Return bits/dim of some of the audited images together, ``(B,)``, float64, on the CPU."""
        places = list(places)
        call = Call(
            generator=self._generators(places),
            solver=Solving(exact=self._figure.exact, warm_start=_known_to(flow, self._figure.warm_start)),
        )
        images = self._integers[places].to(flow.device)
        return self._figure.measure(flow, images, call).double().cpu()

    def _generators(self, places: list[int]) -> tuple[torch.Generator, ...]:
        return per_image_generators(self._figure.seed, [self._indices[place] for place in places])

    def _go_and_return(self) -> None:
        error = image_error(self._double, self._x(), self._there_and_back())
        self._note(round_trip=_finite(error))
        if not error <= (SOLVED_PIXEL if self._figure.solved else PIXEL):
            self._object(
                f"no density: decode does not invert encode: decode(encode(x)) is off by {error:.3g}"
            )

    def _return_and_go(self) -> None:
        settings = self._there_and_back()
        try:
            error = latent_error(self._double, len(self._indices), self._figure.seed, settings)
        except NumericalError as failure:
            self._remark(f"encode(decode(z)) of drawn z was not checked: {one_line(failure)}")
            return
        self._note(latent_round_trip=_finite(error))
        if error <= (SOLVED_LATENT if self._figure.solved else LATENT):
            return
        problem = f"encode does not invert decode: encode(decode(z)) of drawn z is off by {error:.3g}"
        if self._figure.solved and not settings.solver.tight:
            self._remark(f"{problem}; large steps of a solver may be the reason")
        else:
            self._object(f"no density: {problem}")

    def _there_and_back(self) -> Settings:
        """Return the settings of round trips: solvers run tightly if there is time."""
        settings = self._settings()
        passes = 2 * len(self._indices) * TIGHT_COSTS
        if self._figure.solved and passes * self._pass_seconds <= self._seconds:
            return replace(settings, solver=Solving(tight=True))
        return settings

    def _x(self) -> Tensor:
        call = Call(generator=self._generators(list(range(len(self._indices)))))
        return dequantise(self._integers.to(self._double.device), self._double.bins, call)

    def _settings(self) -> Settings:
        """Return the settings of an ordinary pass, whose generators have drawn the noise of the pixels."""
        generators = self._generators(list(range(len(self._indices))))
        dequantise(self._integers, self._double.bins, Call(generator=generators))
        return Settings(generators, Solving(warm_start=_known_to(self._double, self._figure.warm_start)))

    def _judge(self) -> None:
        try:
            if not self._judge_as_it_is():
                self._judge_smaller()
        except NotSquare as problem:
            self._object(f"no density: {problem}")

    def _judge_as_it_is(self) -> bool:
        return self._conclude(self._double, self._x(), self._settings())

    def _judge_smaller(self) -> None:
        flow = self._figure.flow
        derivative = choose_derivative(Whole(self._double, self._x()[:1], self._first(self._settings())))
        self._note(derivatives=derivative.way, derivative_error=_finite(derivative.error))
        if flow.recipe is None:
            self._object(
                "could not be audited: it has too many dimensions for the time, and without a recipe no "
                "smaller model can be built; allow more time (--audit-seconds)"
            )
            return
        # Products and the cost of one grow with the area.
        passes = 6.0 * LEAST_IMAGES * flow.dimensions * self._pass_seconds
        limit = 2.0 * math.sqrt(self._seconds / max(passes, 1e-9)) * flow.image_shape[1] * flow.image_shape[2]
        # A fault from training shows in the trained weights only, whatever the size.
        if not any(self._judge_at_a_size(limit, trained) for trained in (True, False)):
            self._object(
                f"could not be audited: no smaller model of its recipe can be judged in the time{self._unfit}"
            )

    def _judge_at_a_size(self, limit: float, trained: bool) -> bool:
        """Judge the largest smaller model that there is time for. Return whether there is one."""
        figure, area = self._figure, float("inf")
        for height, width in smaller_sizes(figure.flow):
            if height * width > min(limit, SHRINK * area):
                continue
            try:
                small = rebuild(figure.flow, figure.source, (height, width), figure.seed, trained)
                if small is None:
                    continue
                area = height * width
                if self._judge_rebuilt(small):
                    return True
            except NotSquare:
                raise
            except Exception as problem:  # a size that the model refuses; it may take others
                self._unfit = self._unfit or f" ({height}x{width}: {one_line(problem)})"
        return False

    def _judge_rebuilt(self, small: Rebuilt) -> bool:
        flow = _doubled(small.flow)
        generator = torch.Generator().manual_seed(self._figure.seed)
        cut = crops(self._integers, flow.image_shape[1:], generator).to(flow.device)
        generators = self._generators(list(range(len(cut))))
        x = dequantise(cut, flow.bins, Call(generator=generators))
        warm_start = WarmStart(flow)
        if self._figure.solved:
            flow.encode(
                x,
                Call(
                    generator=tuple(each.clone_state() for each in generators),
                    solver=Solving(warm_start=warm_start),
                ),
            )
        warm_start.frozen = True
        settings = Settings(generators, Solving(warm_start=warm_start))
        return self._conclude(flow, x, settings, small)

    def _conclude(self, flow: Flow, x: Tensor, settings: Settings, small: Rebuilt | None = None) -> bool:
        """Judge a model and compare. Return whether there was time."""
        figure = self._figure
        exact = figure.exact or figure.estimated
        ordinary = judge(flow, x, settings, exact, self._seconds, self._advance)
        if ordinary is None:
            return False
        judged, tolerance, steps = ordinary, CLOSED_FORM, ""
        if figure.solved:
            tolerance, steps = SOLVED, "ordinary"
            if not _largest(_off(judged, flow)) <= SOLVED:
                # The error may be the solver's, or one of the density.
                tight = replace(settings, solver=Solving(tight=True))
                tightly = self._in_time(
                    flow, lambda: judge(flow, x, tight, exact, self._seconds, self._advance)
                )
                tolerance = ORDINARY
                if tightly is not None:
                    judged, tolerance, steps = tightly, SOLVED, "tight"
        if judged.derivative.way == "finite differences":
            tolerance = max(tolerance, DIFFERENCES)
        errors = _off(judged, flow)
        worst = _largest(errors)
        self._note(
            method=judged.method if small is None else str(small),
            images=len(errors),
            error=_finite(float(errors.mean())),
            worst=_finite(worst),
            tolerance=tolerance,
            derivatives=judged.derivative.way,
            derivative_error=_finite(judged.derivative.error),
            steps=steps,
        )
        if judged.derivative.remark:
            self._remark(f"derivatives: {judged.derivative.remark}")
        if small is not None and judged.method != "whole":
            self._remark(f"the smaller model was judged {judged.method}")
        if not worst <= tolerance:
            blame = self._blame(judged, flow, x, exact)
            self._object(blame if small is None else f"{blame} ({small})")
        elif figure.estimated:
            self._estimate(ordinary, flow)
        return True

    def _in_time(self, flow: Flow, tightly: Callable[[], Judged | None]) -> Judged | None:
        """Return what tight steps find; None if that would take too long."""
        share = flow.dimensions / self._figure.flow.dimensions
        guess = LEAST_IMAGES * flow.dimensions * TIGHT_COSTS * share * self._pass_seconds
        return tightly() if guess <= HOPELESS * self._seconds else None

    def _blame(self, judged: Judged, flow: Flow, x: Tensor, exact: bool) -> str:
        """Return by how much log_det is off, where, and what the error looks like."""
        if not bool(judged.log_det.isfinite().all()):
            return "no density: the Jacobian of encode is singular, so values are lost on the way"
        stated = judged.stated - judged.latents
        errors = _off(judged, flow)
        error = float(errors[int(errors.abs().argmax())])
        looks = describe_discrepancy(stated.tolist(), judged.log_det.tolist(), flow.dimensions)
        where = ""
        try:
            images = len(errors)
            settings = replace(judged.settings, generators=judged.settings.generators[:images])
            parts = parts_of(flow, x[:images], settings, exact)
            fault = locate_fault(flow, parts, settings, exact, self._seconds)
            if fault is not None:
                where, looks = f" in {fault.where}", fault.looks or looks
        except Exception as problem:  # the fault is found; only its place is not
            self._remark(f"its place was not found: {one_line(problem)}")
        return f"no density: log_det off by {error:+.3g} bits/dim{where}{f': {looks}' if looks else ''}"

    def _estimate(self, judged: Judged, flow: Flow) -> None:
        """Compare the mean of many estimates with what was judged."""
        images = len(judged.stated)
        area = math.prod(flow.image_shape) / self._figure.flow.dimensions
        affordable = PROBES_SHARE * self._seconds / max(images * area * self._pass_seconds, 1e-9)
        count = int(min(MOST_PROBES, max(FEWEST_PROBES, affordable)))
        # Many batches' worth of images would take too much memory at once.
        generators = per_image_generators(self._figure.seed + PROBE_SEED, range(count))
        estimates = torch.stack(
            [
                torch.cat(
                    [
                        judged.whole.estimates(image, generators[start : start + 32])
                        for start in range(0, count, 32)
                    ]
                )
                for image in range(images)
            ]
        )
        errors = estimates - judged.log_prob[:, None]
        errors = nats_to_bits(errors.flatten(), flow.dimensions).reshape(errors.shape)
        bias = float(errors.mean())
        error = float(errors.var(dim=1).sum().sqrt()) / (images * math.sqrt(count))
        self._note(bias=_finite(bias), bias_error=_finite(error))
        if not abs(bias) <= BIAS * error + ORDINARY:
            # Means, since single images' estimates are too noisy to look like anything.
            stated = float((estimates - judged.latents[:, None]).mean())
            looks = describe_discrepancy([stated], [float(judged.log_det.mean())], flow.dimensions)
            self._object(
                f"no density: the estimated log_det is biased by {bias:+.3g} ± {error:.2g} bits/dim"
                f"{f': {looks}' if looks else ''}"
            )

    def _advance(self, share: float) -> None:
        self._progress(0.1 + 0.8 * share)

    def _first(self, settings: Settings) -> Settings:
        return replace(settings, generators=settings.generators[:1])

    def _object(self, objection: str) -> None:
        self._note(objections=(*self._outcome.objections, objection))

    def _remark(self, remark: str) -> None:
        if remark not in self._outcome.remarks:
            self._note(remarks=(*self._outcome.remarks, remark))

    def _note(self, **found: object) -> None:
        self._outcome = replace(self._outcome, **found)  # type: ignore[arg-type]


def _doubled(flow: Flow) -> Flow:
    """Return a copy in double precision, which Apple's devices do not have."""
    device = torch.device("cpu") if flow.device.type == "mps" else flow.device
    doubled = copy.deepcopy(flow).to(device).double().requires_grad_(False)
    # A model without any number of its own computes in torch's default precision.
    doubled.levels.register_buffer("precision", torch.zeros((), dtype=torch.float64, device=device))
    return doubled


def _known_to(flow: Flow, warm_start: WarmStart) -> WarmStart:
    """Return what a warm start holds of one model for a copy of it, frozen."""
    copied = WarmStart(flow, warm_start.state())
    copied.frozen = True
    return copied


def _off(judged: Judged, flow: Flow) -> Tensor:
    """Return stated minus judged ``log p``, ``(N,)``, bits/dim."""
    return nats_to_bits(judged.stated - judged.log_prob, flow.dimensions)


def _largest(errors: Tensor) -> float:
    worst = float(errors.abs().max())
    return worst if worst == worst else float("inf")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
