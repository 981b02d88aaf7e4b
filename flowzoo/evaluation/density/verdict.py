"""Whether what a model states is what the judge finds, where it is not, and what the error looks like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor

from flowzoo.call import per_image_generators
from flowzoo.discrepancy import describe_discrepancy
from flowzoo.evaluation.density.entrance import Entrance
from flowzoo.evaluation.density.figure import Figure
from flowzoo.evaluation.density.judge import HOPELESS, LEAST_IMAGES, Judged, judge
from flowzoo.evaluation.density.locate import locate_fault
from flowzoo.evaluation.density.maps import Settings, parts_of
from flowzoo.evaluation.density.noise import compare_transform, inputs_of_stochastic
from flowzoo.evaluation.density.outcome import BIAS, CLOSED_FORM, DIFFERENCES, ORDINARY, SOLVED
from flowzoo.evaluation.density.rebuild import Rebuilt
from flowzoo.evaluation.density.record import Record, largest
from flowzoo.flow import Flow
from flowzoo.origin import name_of
from flowzoo.registry.plugin import one_line
from flowzoo.solving import Solving
from flowzoo.units import nats_to_bits

MOST_PROBES, FEWEST_PROBES, PROBES_SHARE = 128, 16, 0.1
"""Number of estimates of a trace for each image, and the fraction of the budget that is spent on them."""

TIGHT_COSTS = 10.0
"""A tight pass is assumed to cost this many ordinary ones until it is tried."""

PROBE_SEED = 2**32
"""Added to the figure's seed, for probes that are not the figure's."""


@dataclass(frozen=True)
class Verdict:
    """Judges models for one audit, and records what it finds.

    Attributes:
        figure: What is audited.
        record: Takes the findings.
        seconds: How long a Jacobian may take, roughly.
        pass_seconds: Of one image in double precision, through encode.
    """

    figure: Figure
    record: Record
    seconds: float
    pass_seconds: float

    def conclude(self, flow: Flow, entrance: Entrance, small: Rebuilt | None = None) -> bool:
        """Judge a model and compare. Return whether there was time.

        Args:
            flow: The model, in float64.
            entrance: Its images, and the settings with which it computes.
            small: The smaller model that it is, if it stands for the model of the figure.
        """
        exact = self.figure.exact or self.figure.estimated
        settings = entrance.settings
        ordinary = self._judge(flow, entrance, settings)
        if ordinary is None:
            return False
        judged, tolerance, steps = ordinary, CLOSED_FORM, ""
        if self.figure.solved:
            tolerance, steps = SOLVED, "ordinary"
            if not largest(_off(judged, flow)) <= SOLVED:
                # The error may be the solver's, or one of the density.
                tight = replace(settings, solver=Solving(tight=True))
                tightly = self._in_time(flow, lambda: self._judge(flow, entrance, tight))
                tolerance = ORDINARY
                if tightly is not None:
                    judged, tolerance, steps = tightly, SOLVED, "tight"
        if judged.derivative.way == "finite differences":
            tolerance = max(tolerance, DIFFERENCES)
        errors = _off(judged, flow)
        worst = largest(errors)
        self.record.note(
            method=judged.method if small is None else str(small),
            images=len(errors),
            error=float(errors.mean()),
            worst=worst,
            tolerance=tolerance,
            derivatives=judged.derivative.way,
            derivative_error=judged.derivative.error,
            steps=steps,
        )
        if judged.derivative.remark:
            self.record.add_remark(f"derivatives: {judged.derivative.remark}")
        if small is not None and judged.method != "whole":
            self.record.add_remark(f"the smaller model was judged {judged.method}")
        if not worst <= tolerance:
            blame = self._blame(judged, flow, entrance, exact)
            self.record.add_objection(blame if small is None else f"{blame} ({small})")
        elif self.figure.estimated:
            self._check_estimates(ordinary, flow)
        if flow.stochastic:
            self._compare_draws(flow, entrance)
        return True

    def _compare_draws(self, flow: Flow, entrance: Entrance) -> None:
        """Compare the density of what stochastic transforms draw with that of the draws."""
        for place, x in inputs_of_stochastic(flow, entrance.x[:1], entrance.settings.of([0]).call()):
            transform = flow.level(place).transform
            compared = compare_transform(transform, x, self.figure.seed)
            objection = (
                "" if compared is None else compared.objection(f"level {place}, {name_of(transform)},")
            )
            if objection:
                self.record.add_objection(objection)

    def _judge(self, flow: Flow, entrance: Entrance, settings: Settings) -> Judged | None:
        exact = self.figure.exact or self.figure.estimated
        return judge(flow, entrance, settings, exact, self.seconds, self.record.advance_judge)

    def _in_time(self, flow: Flow, tightly: Callable[[], Judged | None]) -> Judged | None:
        """Return what tight steps find; None if that would take too long."""
        share = flow.dimensions / self.figure.flow.dimensions
        guess = LEAST_IMAGES * flow.dimensions * TIGHT_COSTS * share * self.pass_seconds
        return tightly() if guess <= HOPELESS * self.seconds else None

    def _blame(self, judged: Judged, flow: Flow, entrance: Entrance, exact: bool) -> str:
        """Return by how much log_det is off, where, and what the error looks like."""
        if not bool(judged.log_det.isfinite().all()):
            return "no density: the Jacobian of encode is singular, so values are lost on the way"
        stated = judged.stated - judged.latents
        errors = _off(judged, flow)
        error = float(errors[int(errors.abs().argmax())])
        looks = describe_discrepancy(stated.tolist(), judged.log_det.tolist(), flow.dimensions)
        where = ""
        try:
            # The worst image first: the fault may be one of some images alone, such as those of a class.
            order: list[int] = errors.abs().argsort(descending=True).tolist()
            settings = judged.settings.of(order)
            parts = chain(entrance.parts, parts_of(flow, entrance.x[order], settings, exact))
            fault = locate_fault(flow, parts, settings, exact, self.seconds)
            if fault is not None:
                where, looks = f" in {fault.where}", fault.looks or looks
        except Exception as problem:  # the fault is found; only its place is not
            self.record.add_remark(f"its place was not found: {one_line(problem)}")
        return f"no density: log_det off by {error:+.3g} bits/dim{where}{f': {looks}' if looks else ''}"

    def _check_estimates(self, judged: Judged, flow: Flow) -> None:
        """Compare the mean of many estimates with what was judged."""
        images = len(judged.stated)
        area = math.prod(flow.image_shape) / self.figure.flow.dimensions
        affordable = PROBES_SHARE * self.seconds / max(images * area * self.pass_seconds, 1e-9)
        count = int(min(MOST_PROBES, max(FEWEST_PROBES, affordable)))
        # Many batches' worth of images would take too much memory at once.
        generators = per_image_generators(self.figure.seed + PROBE_SEED, range(count))
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
        estimates = estimates - judged.log_q[:, None]
        errors = estimates - judged.log_prob[:, None]
        errors = nats_to_bits(errors.flatten(), flow.dimensions).reshape(errors.shape)
        bias = float(errors.mean())
        error = float(errors.var(dim=1).sum().sqrt()) / (images * math.sqrt(count))
        self.record.note(bias=bias, bias_error=error)
        if not abs(bias) <= BIAS * error + ORDINARY:
            # Means, since single images' estimates are too noisy to look like anything.
            stated = float((estimates - judged.latents[:, None]).mean())
            looks = describe_discrepancy([stated], [float(judged.log_det.mean())], flow.dimensions)
            self.record.add_objection(
                f"no density: the estimated log_det is biased by {bias:+.3g} ± {error:.2g} bits/dim"
                f"{f': {looks}' if looks else ''}"
            )


def _off(judged: Judged, flow: Flow) -> Tensor:
    """Return stated minus judged ``log p``, ``(N,)``, bits/dim."""
    return nats_to_bits(judged.stated - judged.log_prob, flow.dimensions)
