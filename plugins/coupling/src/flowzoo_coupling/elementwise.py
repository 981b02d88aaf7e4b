"""The interface of what a coupling does to each value that changes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from flowzoo.api import Images


class Elementwise(ABC):
    """An increasing map of single values, with parameters for each value.

    Attributes:
        parameters: ``P``, the number of parameters of one value. At first a network gives zeros.
    """

    parameters: int

    @abstractmethod
    def forward(self, x: Images, raw: Images) -> tuple[Images, Images]:
        """Return ``y`` and ``log dy/dx``, each ``(B, C, H, W)``.

        Args:
            x: ``(B, C, H, W)``.
            raw: ``(B, P C, H, W)``. Channel ``p C + c`` is parameter ``p`` of the values of channel ``c``.
        """

    @abstractmethod
    def inverse(self, y: Images, raw: Images) -> Images:
        """Return the ``x`` that is mapped to ``y``."""
