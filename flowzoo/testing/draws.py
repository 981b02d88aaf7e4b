"""Repeatable random numbers for the checks, which do not use the global random state."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowzoo.call import Call, Mode, per_image_generators
from flowzoo.global_random import random_states_kept
from flowzoo.shapes import Images, Shape
from flowzoo.solving import Solving
from flowzoo.testing.result import require

BATCH = 3


@dataclass(frozen=True)
class Draws:
    """A call that can be repeated: the same generators from their start, one for each image.

    Attributes:
        seed: Seed of all the generators.
        indices: The images' indices, one generator each.
        mode: Mode of the call.
        exact: Whether parts that estimate their log-determinant must compute it exactly.
        phase: Phase of the training; empty where there is only one.
    """

    seed: int = 0
    indices: Sequence[int] = tuple(range(BATCH))
    mode: Mode = "evaluate"
    exact: bool = False
    phase: str = ""

    def call(self) -> Call:
        """Return a new call."""
        generators = per_image_generators(self.seed, self.indices)
        return Call(mode=self.mode, generator=generators, solver=Solving(exact=self.exact, phase=self.phase))


def draw_images(shape: Shape, count: int = BATCH, seed: int = 0) -> Images:
    """Return ``(count, C, H, W)``, float64, with values in ``[0.05, 0.95)``."""
    generator = torch.Generator().manual_seed(seed)
    return 0.05 + 0.9 * torch.rand((count, *shape), generator=generator, dtype=torch.float64)


def draw_noise(like: Tensor, seed: int = 0) -> Tensor:
    """Return standard normal noise of the shape and dtype of ``like``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


@contextmanager
def scrambled(seed: int) -> Iterator[None]:
    """Give torch, NumPy and Python a global random state that nothing else uses, and put the old ones back.

    What a component computes must not depend on that state, nor on what was tried before it. So every check
    starts from such a state, and not from one that a component might happen to set itself.
    """
    words = torch.randint(2**32, (3,), generator=torch.Generator().manual_seed(_mark(seed))).tolist()
    with random_states_kept():
        torch.default_generator.manual_seed(words[0])
        np.random.seed(words[1])
        random.seed(words[2])
        yield


@contextmanager
def global_state_left_alone(what: str) -> Iterator[None]:
    """Fail the check if torch's or NumPy's global random state changes inside."""
    with scrambled(0):
        before = _global_states()
        yield
        for library, state in _global_states().items():
            require(state == before[library], f"{what} changes the global random state of {library}")


def global_states() -> dict[str, object]:
    """Return the global random states of torch, NumPy and Python, in a form that can be compared."""
    return {**_global_states(), "Python": random.getstate()}


def _global_states() -> dict[str, object]:
    # Not Python's own: run-time type checkers draw from it to choose which items of a list they look at.
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, np.asarray(keys).tobytes(), *rest),
    }


def _mark(seed: int) -> int:
    # Far from the seeds that anybody writes into code.
    return 0x6B69745F + seed
