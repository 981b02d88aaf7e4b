"""Counts the parameters that a model trains."""

from __future__ import annotations

from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.tensors import trainable


class Parameters(Metric):
    """Trainable parameters, of the model and of each level, finest first."""

    def measure(self, trained: Trained) -> Measurement:
        flow = trained.flow
        by_level = {f"level {place}": trainable(flow.level(place)) for place in range(len(flow.levels))}
        return Measurement(trainable(flow), unit="", better="lower", details=by_level)
