"""The interface of the networks inside couplings and vector fields."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from flowzoo.shapes import Images


class Network(nn.Module, ABC):
    """An image-to-image network that keeps height and width, given an optional context image and time."""

    @abstractmethod
    def forward(self, x: Images, context: Images | None = None, time: Tensor | None = None) -> Images:
        """Apply the network.

        Args:
            x: ``(B, C, H, W)``.
            context: ``(B, C', H', W')``, brought to the size of ``x`` by the network; None if built without.
            time: ``()`` or ``(B,)``; None if built without.

        Returns:
            ``(B, C_out, H, W)``.
        """
