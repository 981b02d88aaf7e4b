"""An exponential average of the weights, which is what is validated and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from flowzoo.flow import Flow


class WeightAverage:
    """``average <- decay * average + (1 - decay) * weights``, the decay rising in the first steps.

    Args:
        flow: Whose weights are averaged.
        decay: 0 keeps the latest weights.
    """

    def __init__(self, flow: Flow, decay: float) -> None:
        def average(old: Sequence[Tensor], new: Sequence[Tensor], updates: Tensor | int) -> None:
            count = float(updates)
            step = 1.0 - min(decay, (1.0 + count) / (10.0 + count))
            for each, latest in zip(old, new, strict=True):
                each.lerp_(latest.to(each.dtype), step)

        self._model = AveragedModel(flow, multi_avg_fn=average)

    @property
    def flow(self) -> Flow:
        """The flow with the averaged weights."""
        return cast(Flow, self._model.module)

    def update(self, flow: Flow) -> None:
        """Take in the weights after a step."""
        self._model.update_parameters(flow)

    def state(self) -> dict[str, Tensor]:
        """Return all that :meth:`restore` needs."""
        return dict(self._model.state_dict())

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a saved state."""
        self._model.load_state_dict(state)
