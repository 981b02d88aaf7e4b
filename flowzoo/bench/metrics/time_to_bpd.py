"""Measures how long training took to reach given bits/dim, from its log."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.training.stage import plan_stages

Curve = list[list[float]]
"""``[seconds, bits/dim]`` of each validation, in the order of training."""

_NONE = Measurement(None, unit="s", better="lower", repeats=False, valid=False)


@dataclass(frozen=True, kw_only=True)
class TimeToBpd(Metric):
    """Seconds of training, validation included, until the validation figure is at or below a target."""

    levels: Annotated[
        tuple[float, ...],
        Field(description="Bits/dim to reach. The figure is for the lowest. Default: the model's own best."),
    ] = ()
    within: Annotated[
        float, Field(ge=0, description="Bits/dim above the model's own best that still count as reached.")
    ] = 0.05

    def measure(self, trained: Trained) -> Measurement:
        options = parse_training_options(trained.training)
        if any(not stage.whole for stage in plan_stages(trained.flow, options)):
            parts = (
                "the levels were trained one by one, so there are no validation figures of the whole model"
            )
            return replace(_NONE, objections=(parts,))
        curve = _curve(trained)
        if not curve:
            return replace(_NONE, objections=("the training log holds no validation figure",))
        best = min(bits for _, bits in curve)
        hardest = min(self.levels) if self.levels else best + self.within
        own = f"the best validation figure, {best:.4f}, plus {self.within:g}"
        seconds = _first(curve, hardest)
        late = f"{hardest:g} bits/dim was not reached in {trained.seconds:.0f} s"
        return replace(
            _NONE,
            value=seconds,
            valid=seconds is not None,
            objections=(late,) if seconds is None else (),
            # Earlier is not better if the target is the model's own: a model that learns little is soon at
            # its best.
            better="lower" if self.levels else "",
            conditions={
                "bits_per_dim": hardest,
                "chosen_as": "the hardest of the levels" if self.levels else own,
                "split": "validation",
                "images": min(options.validation_images, len(trained.dataset.split("validation"))),
                "validations": len(curve),
                **({} if options.clock == "wall" else {"clock": options.clock}),
            },
            details={
                "curve": curve,
                "levels": {f"{each:g}": _first(curve, each) for each in sorted(self.levels, reverse=True)},
            },
        )


def _curve(trained: Trained) -> Curve:
    records = [record for record in trained.log if "validation_bits_per_dim" in record]
    curve = [[float(each["seconds"]), float(each["validation_bits_per_dim"])] for each in records]
    if not all(math.isfinite(number) for point in curve for number in point):
        raise NumericalError("a validation figure in the training log is not finite; train again")
    return curve


def _first(curve: Curve, level: float) -> float | None:
    return next((seconds for seconds, bits in curve if bits <= level), None)
