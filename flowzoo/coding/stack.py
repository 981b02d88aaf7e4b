"""A stack of bits: range asymmetric numeral systems, last in, first out."""

from __future__ import annotations

import random
from collections.abc import Sequence

WORD = 32
_LOW = 1 << (2 * WORD)
"""The head holds at least so much, and less than ``2^32`` times that: the more, the less rounding costs."""

_MASK = (1 << WORD) - 1


class BitStack:
    """A stack onto which symbols are coded, and from which they are decoded in the opposite order.

    Decoding a symbol whose probability is ``p`` takes ``-log2 p`` bits from the stack, coding it puts as many
    there. Decoding from a stack that was not made by coding draws a random symbol, and coding that symbol
    again restores the stack: this is how bits come back in bits-back coding.

    Args:
        head: The topmost part; random by default.
        words: The rest, 32 bits each, the topmost last.
        seed: Seed of the random bits that an empty stack begins with.
        draws: Whether an empty stack draws random words; otherwise taking more is an error.

    References:
        Duda, "Asymmetric Numeral Systems", 2009.
    """

    def __init__(
        self, head: int | None = None, words: Sequence[int] = (), seed: int = 0, draws: bool = True
    ) -> None:
        self._random = random.Random(seed)
        self._head = _LOW + self._random.getrandbits(2 * WORD) if head is None else head
        self._words = list(words)
        self._draws = draws
        self.drawn = 0
        """Number of random words that were drawn, since the stack was empty."""

    @property
    def words(self) -> list[int]:
        """The stack as words of 32 bits, the topmost last; the head has three."""
        return [*self._words, *(self._head >> shift & _MASK for shift in (0, WORD, 2 * WORD))]

    @classmethod
    def of(cls, words: Sequence[int]) -> BitStack:
        """Return the stack that :attr:`words` came from. It raises ``ValueError`` if more is taken."""
        low, middle, high = words[-3:]
        return cls(high << (2 * WORD) | middle << WORD | low, words[:-3], draws=False)

    @property
    def bits(self) -> int:
        """Length of the stack in bits, without the random words."""
        return WORD * (len(self._words) - self.drawn) + self._head.bit_length()

    def push(self, start: int, width: int, precision: int) -> None:
        """Code the symbol that has ``[start, start + width)`` of ``2^precision``, ``precision <= 32``."""
        if self._head >= width << (3 * WORD - precision):
            self._words.append(self._head & _MASK)
            self._head >>= WORD
        whole, part = divmod(self._head, width)
        self._head = (whole << precision) + start + part

    def peek(self, precision: int) -> int:
        """Return the place in ``2^precision`` that tells the next symbol."""
        return self._head & ((1 << precision) - 1)

    def drop(self, start: int, width: int, precision: int) -> None:
        """Take off the symbol that :meth:`peek` told."""
        self._head = width * (self._head >> precision) + self.peek(precision) - start
        if self._head < _LOW:
            self._head = self._head << WORD | self._below()

    def push_bits(self, value: int, count: int) -> None:
        """Code an integer in ``[0, 2^count)``, all being as likely."""
        while count > 0:
            some = min(count, 16)
            self.push(value & ((1 << some) - 1), 1, some)
            value >>= some
            count -= some

    def pop_bits(self, count: int) -> int:
        """Decode what :meth:`push_bits` coded."""
        sizes = [min(16, count - done) for done in range(0, count, 16)]
        value = 0
        for some in reversed(sizes):
            found = self.peek(some)
            self.drop(found, 1, some)
            value = value << some | found
        return value

    def _below(self) -> int:
        if self._words:
            return self._words.pop()
        if not self._draws:
            raise ValueError("the stack is empty")
        self.drawn += 1
        return self._random.getrandbits(WORD)
