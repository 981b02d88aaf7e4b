"""Codes integers by a normal distribution: a histogram of coarse bins, and plain bits within a bin."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from flowzoo.coding.stack import WORD, BitStack
from flowzoo.errors import NumericalError

FINENESS: Final = 16
"""Coarse bins in a standard deviation, at least. The code is longer than ideal by less than 0.001 bit."""

REACH: Final = 9.0
"""Standard deviations that the coarse bins cover; what lies outside is coded at greater length."""

_ESCAPE: Final = 64
"""Bits of a place outside."""


@dataclass(frozen=True)
class Normal:
    """A normal distribution over integers.

    Args:
        mean: Its mean.
        deviation: Its standard deviation, above 0. Below about 1 the code is longer than ideal.
    """

    mean: float
    deviation: float

    def push(self, stack: BitStack, value: int) -> None:
        """Code an integer."""
        shift, origin, last = self._bins()
        place = value - origin + (1 << shift >> 1)
        coarse = place >> shift
        stack.push_bits(place & ((1 << shift) - 1), shift)
        if abs(coarse) > last:
            if abs(coarse) >= 1 << (_ESCAPE - 1):
                raise NumericalError("a latent is too far from zero to be coded. Check the model's weights")
            stack.push_bits(coarse + (1 << (_ESCAPE - 1)), _ESCAPE)
            start = self._edge(last + 1, shift, origin, last)
            stack.push(start, (1 << WORD) - start, WORD)
            return
        start = self._edge(coarse, shift, origin, last)
        stack.push(start, self._edge(coarse + 1, shift, origin, last) - start, WORD)

    def pop(self, stack: BitStack) -> int:
        """Decode an integer."""
        shift, origin, last = self._bins()
        found = stack.peek(WORD)
        # The first edge above what was found belongs to the next bin.
        coarse = (
            -last
            - 1
            + bisect_right(
                range(-last, last + 2), found, key=lambda place: self._edge(place, shift, origin, last)
            )
        )
        start = self._edge(coarse, shift, origin, last)
        if coarse > last:
            stack.drop(start, (1 << WORD) - start, WORD)
            coarse = stack.pop_bits(_ESCAPE) - (1 << (_ESCAPE - 1))
        else:
            stack.drop(start, self._edge(coarse + 1, shift, origin, last) - start, WORD)
        return (coarse << shift) + stack.pop_bits(shift) + origin - (1 << shift >> 1)

    def _bins(self) -> tuple[int, int, int]:
        """Return the coarse bins: log2 of their width, the integer at the centre, and the last one."""
        shift = max(0, math.floor(math.log2(max(self.deviation, 1e-300) / FINENESS)))
        return shift, round(self.mean), math.ceil(REACH * max(1.0, self.deviation) / (1 << shift))

    def _edge(self, coarse: int, shift: int, origin: int, last: int) -> int:
        """Return where a coarse bin begins in ``2^32``: every bin has one place at least."""
        if coarse <= -last:
            return 0
        at = (((coarse - 0.5) * (1 << shift)) - (self.mean - origin)) / self.deviation
        share = 0.5 * math.erfc(-at / math.sqrt(2.0))
        places = 2 * last + 2  # of all bins, and of what lies outside
        return math.floor(share * ((1 << WORD) - 2 * places)) + coarse + last
