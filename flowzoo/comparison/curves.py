"""Validation curves, read from the logs of runs."""

from __future__ import annotations

from dataclasses import dataclass

from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog


@dataclass(frozen=True)
class CurvePoint:
    """One validation.

    Attributes:
        step: Training step.
        seconds: Seconds of training.
        bits_per_dim: Bits/dim of validation images.
    """

    step: int
    seconds: float
    bits_per_dim: float


def validation_curve(folder: RunFolder) -> tuple[tuple[CurvePoint, ...], str]:
    """Return the validations of a run in the order of training, and the reason if there are none.

    If levels trained one after another, a validation measures the part of one level, and these parts
    make no curve.
    """
    records = [each for each in TrainingLog(folder.log).read() if "validation_bits_per_dim" in each]
    if len({str(each.get("stage", "")).split(",")[0] for each in records}) > 1:
        return (), "its levels trained one after another, and a level's validation is not that of the model"
    points = [
        CurvePoint(int(each["step"]), float(each["seconds"]), float(each["validation_bits_per_dim"]))
        for each in records
    ]
    return tuple(points), "" if points else "its log holds no validation"
