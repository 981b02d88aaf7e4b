"""Where the random numbers of a pass come from, if the call has no generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor

Draw = Callable[[torch.Size, torch.dtype, torch.Generator], Tensor]
"""Draws a tensor of a shape and dtype by a generator, on its device."""


class RandomSource:
    """Draws by one generator with seed 0, which is made at the first draw."""

    def __init__(self) -> None:
        self._generator: torch.Generator | None = None

    def take(self, draw: Draw, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """Return a draw, on any device."""
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(0)
        return draw(shape, dtype, self._generator)


class Drawn(NamedTuple):
    """What a pass drew once: by which function, of which shape and dtype."""

    draw: Draw
    shape: torch.Size
    dtype: torch.dtype


@final
class Recorded(RandomSource):
    """Draws by a generator, and keeps what was drawn, so that :func:`draw_again` can draw the like.

    Args:
        generator: The generator.

    Attributes:
        drawn: The draws, in their order.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self._generator: torch.Generator = generator
        self.drawn: list[Drawn] = []

    def take(self, draw: Draw, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        self.drawn.append(Drawn(draw, shape, dtype))
        return draw(shape, dtype, self._generator)


@final
class Prepared(RandomSource):
    """Gives draws that were made before the pass, in their order.

    ``torch.compile`` cannot compile draws by a generator. With this source, a compiled pass uses the same
    random numbers as one that is not compiled.

    Args:
        draws: The draws.

    Attributes:
        left: Those that have not been taken.
    """

    def __init__(self, draws: Sequence[Tensor]) -> None:
        super().__init__()
        self.left = draws

    def take(self, draw: Draw, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        found, self.left = self.left[0], self.left[1:]
        assert found.shape == shape, "a pass draws the same each time"
        return found


def draw_again(drawn: Sequence[Drawn], generator: torch.Generator) -> list[Tensor]:
    """Draw what a pass has drawn before, with new numbers."""
    return [each.draw(each.shape, each.dtype, generator) for each in drawn]


def normal(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw from ``N(0, 1)``."""
    return torch.randn(shape, dtype=dtype, device=generator.device, generator=generator)


def uniform(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw from ``U[0, 1)``."""
    return torch.rand(shape, dtype=dtype, device=generator.device, generator=generator)


def rademacher(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Draw signs, -1 or +1."""
    bits = torch.randint(0, 2, shape, device=generator.device, generator=generator)
    return bits.to(dtype) * 2 - 1
