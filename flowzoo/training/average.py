"""An exponential average of the weights; the averaged weights are validated and kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from flowzoo.flow import Flow

_Pair = tuple[list[Tensor], list[Tensor]]
"""Tensors of the average, and those of the model in the same order."""


class WeightAverage:
    """``average <- decay * average + (1 - decay) * weights``, the decay rising in the first steps.

    Args:
        flow: The model whose weights are averaged. Its buffers are copied as they are.
        decay: 0 keeps the latest weights.

    Attributes:
        flow: A copy of the flow with the averaged weights.
    """

    def __init__(self, flow: Flow, decay: float) -> None:
        self.flow = copy.deepcopy(flow)
        self._decay = decay
        self._updates = 0
        # Walking the modules at every step would cost as much as a tenth of it.
        self._parameters: _Pair = list(self.flow.parameters()), list(flow.parameters())
        self._buffers: _Pair = list(self.flow.buffers()), list(flow.buffers())

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        share = 1.0 - min(self._decay, (1.0 + self._updates) / (10.0 + self._updates))
        self._updates += 1
        average, latest = self._parameters
        torch._foreach_lerp_(average, latest, share)
        followed, buffers = self._buffers
        if buffers:
            torch._foreach_copy_(followed, buffers)

    def state(self) -> dict[str, Tensor]:
        """Return all that :meth:`restore` needs."""
        return {"updates": torch.tensor(self._updates), **self.flow.state_dict(prefix="flow.")}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a saved state."""
        self._updates = int(state["updates"])
        weights = {name.removeprefix("flow."): each for name, each in state.items() if name != "updates"}
        self.flow.load_state_dict(weights)
