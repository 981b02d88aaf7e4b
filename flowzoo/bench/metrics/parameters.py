"""How many parameters a model trains."""

from __future__ import annotations

from flowzoo.flow import trainable
from flowzoo.metric import Measurement, Metric, Trained


class Parameters(Metric):
    """Trainable parameters, of the model and of each level, finest first."""

    def measure(self, trained: Trained) -> Measurement:
        levels = [trained.flow.level(place) for place in range(len(trained.flow.levels))]
        return Measurement(
            value=trainable(trained.flow),
            unit="",
            better="lower",
            details={f"level {place}": trainable(level) for place, level in enumerate(levels)},
        )


def build_parameters() -> Parameters:
    """Build the metric."""
    return Parameters()
