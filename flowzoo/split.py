"""The third interface: split policies."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from flowzoo.call import EVALUATION, Call
from flowzoo.one_pass import BeginsPasses
from flowzoo.shapes import Images, Shape


class SplitPolicy(BeginsPasses, nn.Module, ABC):
    """Decides which dimensions go on to the next level and which are factored out here.

    A split is a permutation of the dimensions followed by a cut, so its log-determinant is 0. A policy
    decided from data keeps its decision in buffers, which are saved with the model.
    """

    @abstractmethod
    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images | None, Images]:
        """Divide ``y`` into kept values for the next level (None: nothing) and factored values.

        Args:
            y: ``(B, C, H, W)``.
            call: Mode, generator and ledger of this pass. In the first pass over data, ``call.mode`` is
                ``initialise``.
        """

    @abstractmethod
    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        """Undo :meth:`split`."""

    @abstractmethod
    def shapes(self, shape: Shape) -> tuple[Shape | None, Shape]:
        """Return the shapes of ``kept`` (None: nothing is kept) and ``factored`` for ``y`` of ``shape``.

        Raises:
            ShapeError: ``y`` of ``shape`` cannot be split.
        """

    def unscored(self) -> SplitPolicy | None:
        """Return a policy that keeps everything, for the model that gathers scores; None: none are needed.

        Its ``factored`` has no channels, and its ``kept`` has the height and width of this policy's.
        """
        return None

    def fit(self, scores: Images) -> None:
        """Decide the split from a score for each dimension, ``(1, C, H, W)``; by default do nothing."""

    def fitted_scores(self) -> Images | None:
        """Return the scores that the split was decided from, ``(1, C, H, W)``; None if there are none."""
        return None
