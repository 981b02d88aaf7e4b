"""The interface through which checks use any component that maps images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self, final

import torch
from torch import Tensor, nn

from flowzoo.component import Check
from flowzoo.perturbation import randomise
from flowzoo.shapes import Images
from flowzoo.testing.draws import Draws, draw_images
from flowzoo.testing.trial import Trial

FIRST_BATCH = 64
"""Number of images in each batch of the first pass over data: more than a tiny image has dimensions."""


HandOver = Callable[[Tensor], Tensor]


class Subject(ABC):
    """A built component, its module in float64.

    Args:
        module: What the component's builder returned.
        trial: What it was built for.
    """

    def __init__(self, module: nn.Module, trial: Trial) -> None:
        self.module = module.double()
        self.trial = trial
        self.hand_over: HandOver = _as_it_is
        """Changes every tensor before the component gets it, for checks of the layout in memory."""

    @final
    @property
    def check(self) -> Check:
        """The component's declaration of the trial."""
        return self.trial.check

    @final
    @classmethod
    def ready(cls, trial: Trial, seed: int = 0) -> Self:
        """Build a component, let it see data, and make every parameter random."""
        subject = cls(trial.build(seed), trial)
        subject.first_pass()
        randomise(subject.module, trial.mixed(seed))
        return subject

    def images(self, seed: int = 0) -> Images:
        """Return images to try the component on."""
        return draw_images(self.check.shape, seed=self.trial.mixed(seed))

    def context(self, seed: int = 0) -> Images | None:
        """Return contexts for those images, or None where the component takes none."""
        shape = self.check.context_shape
        return None if shape is None else draw_images(shape, seed=self.trial.mixed(seed + 1000))

    def stated_shapes(self) -> object:
        """Return the shapes of the outputs that the component states.

        Raises:
            ShapeError: The component refuses images of the trial's shape.
        """
        return self.check.shape

    @abstractmethod
    def first_pass(self, seed: int = 0) -> None:
        """Make the first pass over data."""

    @abstractmethod
    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        """Return all results of the component in evaluation, one row for each image."""

    @abstractmethod
    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        """Return the scalars that training may minimise."""

    @final
    @torch.no_grad()
    def evaluate(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        """Return the :meth:`outputs`, without a graph for gradients."""
        return self.outputs(self.hand_over(x), self._handed_over(context), draws)

    @final
    def minimise(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        """Return the :meth:`objectives`, with :attr:`hand_over` applied to their inputs."""
        return self.objectives(self.hand_over(x), self._handed_over(context), draws)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases of training that the component asks for, by name."""
        return ()

    @final
    def state(self) -> dict[str, Tensor]:
        """Return a copy of the state, as models save it."""
        return {name: value.detach().contiguous().clone() for name, value in self.module.state_dict().items()}

    def _handed_over(self, context: Images | None) -> Images | None:
        return None if context is None else self.hand_over(context)


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
