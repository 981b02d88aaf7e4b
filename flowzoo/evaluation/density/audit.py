"""The density audit of a model on a few images of its figure."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from flowzoo.dequantisation import Uniform
from flowzoo.errors import NumericalError
from flowzoo.evaluation.density.doubled import doubled
from flowzoo.evaluation.density.figure import AuditedImages, Figure
from flowzoo.evaluation.density.judge import NotItsParts, NotSquare
from flowzoo.evaluation.density.maps import Settings
from flowzoo.evaluation.density.noise import compare_dequantisation
from flowzoo.evaluation.density.outcome import (
    LATENT,
    PIXEL,
    SOLVED_LATENT,
    SOLVED_PIXEL,
    DensityAudit,
    single_allows,
)
from flowzoo.evaluation.density.record import Progress, Record, largest
from flowzoo.evaluation.density.round_trip import image_errors, latent_error
from flowzoo.evaluation.density.smaller import SmallerModels
from flowzoo.evaluation.density.stopwatch import Stopwatch
from flowzoo.evaluation.density.verdict import TIGHT_COSTS, Verdict
from flowzoo.flow import Flow
from flowzoo.global_random import random_states_kept
from flowzoo.origin import name_of
from flowzoo.registry.plugin import one_line
from flowzoo.solving import Solving

SECONDS = 20.0
"""Default budget for the Jacobian."""

MOST_DRAWS = 64
"""Number of draws of noise, for all images together, that are repeated one image at a time."""


@torch.no_grad()
def audit_density(
    figure: Figure, seconds: float = SECONDS, progress: Progress = lambda share: None
) -> DensityAudit:
    """Judge whether a figure is that of a density. A failure on the way becomes part of the outcome.

    Args:
        figure: What to audit. The model is left as it is, and the global random states are too.
        seconds: Approximate time for the Jacobian. The other checks take further time.
        progress: Receives the progress; see :data:`~flowzoo.evaluation.density.record.Progress`.
    """
    with random_states_kept():
        return _Audit(figure, seconds, progress).outcome()


class _Audit:
    """One audit."""

    def __init__(self, figure: Figure, seconds: float, progress: Progress) -> None:
        self._figure = figure
        self._seconds = seconds
        self._pass_seconds = 0.0  # of one image in double precision, through encode
        self._images = AuditedImages(figure)
        self._record = Record(seconds, progress)

    def outcome(self) -> DensityAudit:
        began = time.monotonic()
        try:
            self._single = copy.deepcopy(self._figure.flow)
            self._double = doubled(self._figure.flow)
        except Exception as problem:
            self._record.add_objection(
                f"could not be audited: the model cannot be copied: {one_line(problem)}"
            )
        else:
            self._go_through()
        self._record.advance(1.0)
        self._record.note(seconds=time.monotonic() - began)
        return self._record.outcome

    def _go_through(self) -> None:
        steps: list[tuple[str, Callable[[], None]]] = [
            ("an image alone", self._measure_alone),
            ("double precision", self._measure_in_double),
            ("the noise of dequantisation", self._compare_noise),
            ("decode(encode(x))", self._go_and_return),
            ("encode(decode(z))", self._return_and_go),
            ("the Jacobian of encode", self._judge),
        ]
        for place, (what, step) in enumerate(steps):
            self._record.advance(0.02 * place)
            try:
                step()
            except (Exception, SystemExit) as problem:  # any exception of a model is a finding about it
                self._record.add_objection(f"could not be audited: {what}: {one_line(problem)}")

    def _measure_alone(self) -> None:
        """Each image by itself, in single precision as in the figure."""
        # Many draws of one image by itself take long.
        self._again = range(max(1, min(len(self._images), MOST_DRAWS // self._figure.importance_samples)))
        self._alone = torch.cat([self._images.measured(self._single, [place]) for place in self._again])
        reported = self._images.reported[: len(self._again)]
        error = largest(self._alone - reported)
        self._record.note(batch_error=error)
        if not single_allows(self._alone - reported, reported):
            self._record.add_objection(
                "no density: an image's figure depends on the other images of its batch: "
                f"{error:.3g} bits/dim off when it is measured alone"
            )

    def _measure_in_double(self) -> None:
        watch = Stopwatch()
        judged = self._images.measured(self._double, self._again)
        self._pass_seconds = watch.seconds() / (len(self._again) * self._figure.importance_samples)
        error = largest(judged - self._alone)
        self._record.note(precision_error=error)
        if not single_allows(judged - self._alone, judged):
            self._record.add_objection(
                f"the figure is off by {error:.3g} bits/dim: it differs in double precision. float32 is too "
                "coarse for the model's weights, or the model depends on the precision"
            )

    def _compare_noise(self) -> None:
        if type(self._double.dequantisation) is Uniform:
            return
        noise, image = self._double.dequantisation, self._images.integers[:1].to(self._double.device)
        compared = compare_dequantisation(noise, image, self._double.bins, self._figure.seed)
        objection = compared.objection(f"the noise ({name_of(noise)})")
        if objection:
            self._record.add_objection(objection)

    def _go_and_return(self) -> None:
        copied = copy.deepcopy(self._double)
        x, there, back = (
            self._images.enter(self._double).x,
            self._there_and_back(self._double),
            self._there_and_back(copied),
        )
        allowed = SOLVED_PIXEL if self._figure.solved else PIXEL
        errors = image_errors(self._double, copied, x, there, back)
        if self._figure.solved and not there.solver.tight and not float(errors.max()) <= allowed:
            # Large steps may be the reason. The worst image decides on tight ones, however long they take.
            worst = int(errors.argmax())
            alone = replace(there.of([worst]), solver=Solving(tight=True))
            errors = image_errors(self._double, copied, x[worst : worst + 1], alone, alone)
        error = float(errors.max())
        self._record.note(round_trip=error)
        if not error <= allowed:
            self._record.add_objection(
                f"no density: decode does not invert encode: decode(encode(x)) is off by {error:.3g}"
            )

    def _return_and_go(self) -> None:
        settings = self._there_and_back(self._double)
        try:
            error = latent_error(self._double, len(self._images), self._figure.seed, settings)
        except NumericalError as failure:
            self._record.add_remark(f"encode(decode(z)) of drawn z was not checked: {one_line(failure)}")
            return
        self._record.note(latent_round_trip=error)
        if error <= (SOLVED_LATENT if self._figure.solved else LATENT):
            return
        problem = f"encode does not invert decode: encode(decode(z)) of drawn z is off by {error:.3g}"
        if self._figure.solved and not settings.solver.tight:
            self._record.add_remark(f"{problem}; large steps of a solver may be the reason")
        else:
            self._record.add_objection(f"no density: {problem}")

    def _there_and_back(self, flow: Flow) -> Settings:
        """Return the settings of a copy's round trips: solvers run tightly if there is time."""
        settings = self._images.enter(flow).settings
        passes = 2 * len(self._images) * TIGHT_COSTS
        if self._figure.solved and passes * self._pass_seconds <= self._seconds:
            return replace(settings, solver=Solving(tight=True))
        return settings

    def _judge(self) -> None:
        verdict = Verdict(self._figure, self._record, self._seconds, self._pass_seconds)
        try:
            if not verdict.conclude(self._double, self._images.enter(self._double)):
                SmallerModels(verdict, self._images).judge(self._double)
        except NotSquare as problem:
            self._record.add_objection(f"no density: {problem}")
        except NotItsParts as problem:
            self._record.add_objection(f"could not be audited: {problem}")
