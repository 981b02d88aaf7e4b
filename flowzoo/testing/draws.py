"""Repeatable random numbers for the checks, none of them from the global random state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowzoo.perturbation import randomise as randomise
from flowzoo.run import Mode, Run, per_image_generators
from flowzoo.shapes import Images, Shape
from flowzoo.testing.result import require

BATCH = 3


@dataclass(frozen=True)
class Draws:
    """A run that can be made again: the same generators from their start, one for each image.

    Attributes:
        seed: Of all the generators.
        indices: The images' indices, one generator each.
        mode: Of the run.
        exact: Whether estimated log-determinants shall be exact.
    """

    seed: int = 0
    indices: Sequence[int] = tuple(range(BATCH))
    mode: Mode = "evaluate"
    exact: bool = False

    def run(self) -> Run:
        """Return a fresh run."""
        generators = per_image_generators(self.seed, self.indices)
        return Run(mode=self.mode, generator=generators, exact=self.exact)


def draw_images(shape: Shape, count: int = BATCH, seed: int = 0) -> Images:
    """Return ``(count, C, H, W)``, float64, with values in ``[0.05, 0.95)``."""
    generator = torch.Generator().manual_seed(seed)
    return 0.05 + 0.9 * torch.rand((count, *shape), generator=generator, dtype=torch.float64)


def draw_noise(like: Tensor, seed: int = 0) -> Tensor:
    """Return standard normal noise of the shape and dtype of ``like``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


@contextmanager
def global_state_left_alone(what: str) -> Iterator[None]:
    """Fail the check if torch's or NumPy's global random state changes inside."""
    before = _global_states()
    yield
    for library, state in _global_states().items():
        require(state == before[library], f"{what} changes the global random state of {library}")


def _global_states() -> dict[str, object]:
    # Not Python's own: run-time type checkers draw from it to choose which items of a list they look at.
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, np.asarray(keys).tobytes(), *rest),
    }
