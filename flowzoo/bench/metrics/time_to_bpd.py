"""How long training took to reach a figure, from its log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.training.stage import plan_stages

Curve = Sequence[tuple[float, float]]
"""``(seconds, bits/dim)`` of each validation, in the order of training."""

EMPTY = Measurement(None, unit="s", better="lower", repeats=False, valid=False)


@dataclass(frozen=True)
class TimeToBpd(Metric):
    """Seconds of training, validation included, until the validation figure is at or below a level.

    Attributes:
        levels: Bits/dim to reach; the hardest of them gives the value. Empty for the model's own best figure.
        within: Bits/dim around that best figure that count as having reached it.
    """

    levels: tuple[float, ...]
    within: float

    def measure(self, trained: Trained) -> Measurement:
        options = parse_training_options(trained.training)
        if any(not stage.whole for stage in plan_stages(trained.flow, options)):
            return _without("the levels trained one by one, and a level's share is no figure of the model")
        curve = _curve(trained)
        if not curve:
            return _without("the training log holds no validation figure")
        best = min(bits for _, bits in curve)
        hardest = min(self.levels) if self.levels else best + self.within
        reached = {f"{level:g}": _first(curve, level) for level in sorted(self.levels, reverse=True)}
        seconds = _first(curve, hardest)
        validated = min(options.validation_images, len(trained.dataset.split("validation")))
        measurement = replace(
            EMPTY,
            # Sooner at a target of its own is no better: a model that learns little is soon at its best.
            better="lower" if self.levels else "",
            conditions={
                "bits_per_dim": hardest,
                "chosen_as": "the hardest of the levels"
                if self.levels
                else f"the best validation figure, {best:.4f}, and {self.within:g} more",
                "split": "validation",
                "images": validated,
                "validations": len(curve),
            },
            details={"curve": [list(point) for point in curve], "levels": reached},
        )
        if seconds is None:
            return replace(
                measurement,
                objections=(f"{hardest:g} bits/dim was not reached in {trained.seconds:.0f} s",),
            )
        return replace(measurement, value=seconds, valid=True)


def build_time_to_bpd(
    *,
    levels: Annotated[
        tuple[float, ...], Field(description="bits/dim to reach; none: the model's own best")
    ] = (),
    within: Annotated[
        float, Field(ge=0, description="bits/dim from its own best that count as having reached it")
    ] = 0.05,
) -> TimeToBpd:
    """Build the metric."""
    return TimeToBpd(levels, within)


def _curve(trained: Trained) -> Curve:
    records = [record for record in trained.log if "validation_bits_per_dim" in record]
    curve = [(float(each["seconds"]), float(each["validation_bits_per_dim"])) for each in records]
    if not all(math.isfinite(number) for point in curve for number in point):
        raise NumericalError("a validation figure in the training log is not finite; train again")
    return curve


def _first(curve: Curve, level: float) -> float | None:
    return next((seconds for seconds, bits in curve if bits <= level), None)


def _without(objection: str) -> Measurement:
    return replace(EMPTY, objections=(objection,))
