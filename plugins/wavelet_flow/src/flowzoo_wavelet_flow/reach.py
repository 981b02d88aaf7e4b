"""Measures how far a bijector looks."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.api import Call, ConditionalBijector, Images, Ledger, OptionError

LENGTHS = (64, 128, 256, 512)
"""Lengths of the strips that are tried, until one is longer than the bijector looks."""

STEPS = (2, 4, 8)
"""Shifts that are tried. Squeezes and checkerboards need multiples of 2, and nested ones more."""

BEYOND = (0, 2, 4, 8, 16, 32)
"""How much further than NaNs spread the border may have an effect, as in a network whose input is
constant."""

BREADTH = 8
"""Width of the strips: a multiple of all steps."""


@dataclass(frozen=True)
class Reach:
    """How far a bijector looks, and by how much it may be shifted.

    Attributes:
        halo: Largest distance at which the input or the border affects an output or its contribution.
        step: If input and context are shifted by a multiple of it, the output is shifted by the same.
    """

    halo: int
    step: int

    def aligned(self, length: int) -> int:
        """Round a length up to a multiple of the step."""
        return -(-length // self.step) * self.step


def measure_reach(
    bijector: ConditionalBijector, channels: int, context_channels: int, *, backward: bool = False
) -> Reach:
    """Measure how far a bijector looks.

    NaNs are put at one end of a strip and followed to the other: they pass through layers that start at zero
    and through masks, so the result is true for all weights. Then a copy with random weights is compared on a
    part of a strip and on the whole strip; the zeros around the part must make no difference either.

    Args:
        bijector: The bijector. A copy of it is tried.
        channels: Number of channels of the data.
        context_channels: Number of channels of the context, which has the size of the data; 0 without one.
        backward: Measure how far its inverse looks.

    Raises:
        OptionError: It looks at the whole image, or treats places differently, or does not work on another
            size than its own.
    """
    strips = _Strips(bijector, channels, context_channels, backward)
    halo = next((each for each in map(strips.halo, LENGTHS) if each is not None), None)
    if halo is None:
        raise OptionError(
            f"crops: {strips.name} looks at the whole image, so that a crop cannot stand for a part of it; "
            f"{_ADVICE}"
        )
    strips.randomise()
    for beyond, step in itertools.product(BEYOND, STEPS):
        reach = Reach(halo + beyond, step)
        if strips.moves_along(reach):
            return reach
    raise OptionError(
        f"crops: {strips.name} does not treat all places of an image alike, or draws random numbers, so that "
        f"a crop cannot stand for a part of it; {_ADVICE}"
    )


class _Strips:
    """A copy of a bijector in float64, tried on strips of random numbers."""

    def __init__(
        self, bijector: ConditionalBijector, channels: int, context_channels: int, backward: bool
    ) -> None:
        self.name = type(bijector).__name__
        self._bijector = copy.deepcopy(bijector).double().requires_grad_(False)
        self._channels = channels
        self._context_channels = context_channels
        self._backward = backward
        self._generator = torch.Generator().manual_seed(0)
        with _refusing(f"{self.name} does not work on other sizes than the image's, which crops have"):
            self._bijector(*self._noise(4, 4 * BREADTH), Call("initialise", ledger=Ledger()))

    @torch.no_grad()
    def randomise(self) -> None:
        """Give random weights to layers that start at zero."""
        for parameter in self._bijector.parameters():
            fan_in = max(1, parameter[0].numel()) if parameter.ndim else 1
            noise = torch.randn(parameter.shape, dtype=parameter.dtype, generator=self._generator)
            parameter.add_(0.3 * fan_in**-0.5 * noise)

    def halo(self, length: int) -> int | None:
        """Return how far NaNs spread along a strip, in the direction in which they spread furthest.

        Return None if they spread to its other end.
        """
        furthest = 0
        for turned in (False, True):
            strips = self._noise(2, length)
            for each in strips:
                if each is not None:
                    each[0, :, -BREADTH:] = torch.nan
                    each[1, :, :BREADTH] = torch.nan
            z, contributions = self._contributions(*strips, turned)
            reached = (z + contributions).isfinite().logical_not().any(1).any(2)
            for rows in (reached[0].flip(0), reached[1]):
                last = int(rows.nonzero().max()) if bool(rows.any()) else 0
                furthest = max(furthest, last + 1 - BREADTH)
        return furthest if furthest < length - BREADTH else None

    def moves_along(self, reach: Reach) -> bool:
        """Whether the output inside a part of a strip is the same as in the whole strip."""
        halo, step = reach.aligned(reach.halo), reach.step
        part = slice(step, step + 2 * halo + BREADTH)
        inside = slice(halo, halo + BREADTH)
        for turned in (False, True):
            x, context = self._noise(2, part.stop + step)
            whole = self._contributions(x, context, turned)
            cut = self._contributions(
                x[:, :, part], context if context is None else context[:, :, part], turned
            )
            for from_whole, from_cut in zip(whole, cut, strict=True):
                if not torch.allclose(
                    from_cut[:, :, inside], from_whole[:, :, part][:, :, inside], atol=1e-8
                ):
                    return False
        return True

    def _noise(self, count: int, length: int) -> tuple[Tensor, Tensor | None]:
        """Return data and context: strips along the rows."""

        def draw(channels: int) -> Tensor:
            shape = (count, channels, length, BREADTH)
            return torch.randn(shape, dtype=torch.float64, generator=self._generator)

        return draw(self._channels), draw(self._context_channels) if self._context_channels else None

    def _contributions(self, x: Images, context: Images | None, turned: bool) -> tuple[Images, Images]:
        """Return ``z`` and the contributions of strips, in training; transposed if ``turned``.

        Of the inverse, return what it gives, and zeros.
        """
        if turned:
            x, context = x.mT, context if context is None else context.mT
        if self._backward:
            with _refusing(f"how far the inverse of {self.name} looks cannot be measured"):
                z = self._bijector.inverse(x, context, Call())
            return (z.mT if turned else z), torch.zeros_like(z.mT if turned else z)
        with _refusing(f"how far {self.name} looks cannot be measured"):
            z, contributions = self._bijector.forward_with_contributions(
                x, torch.zeros_like(x), context, Call("train")
            )
        return (z.mT, contributions.mT) if turned else (z, contributions)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn exceptions of a bijector into a sentence; compute without gradients."""
    try:
        with torch.no_grad():
            yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise OptionError(f"crops: {what} ({reason}); {_ADVICE}") from error


_ADVICE = "use an inner bijector of convolutions, or train without crops"
