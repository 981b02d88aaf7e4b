"""The stack of bits, and normal distributions coded onto it: nothing is lost, and lengths are ideal."""

from __future__ import annotations

import math
import random

import pytest

from flowzoo.coding.normal import Normal
from flowzoo.coding.stack import BitStack


def test_what_went_in_last_comes_out_first() -> None:
    drawn = random.Random(0)
    stack = BitStack()
    coded = [(drawn.getrandbits(count), count) for count in (1, 16, 22, 64, 0, 33) * 20]
    for value, count in coded:
        stack.push_bits(value, count)
    assert BitStack.of(stack.words).words == stack.words
    assert [stack.pop_bits(count) for _, count in reversed(coded)] == [value for value, _ in reversed(coded)]
    assert stack.drawn == 0


def test_bits_that_were_drawn_come_back() -> None:
    stack = BitStack(seed=3)
    before = stack.bits
    value = Normal(7.0, 500.0).pop(stack)
    taken = before - stack.bits
    noise = stack.pop_bits(300)
    assert stack.drawn > 8
    stack.push_bits(noise, 300)
    Normal(7.0, 500.0).push(stack, value)
    assert stack.bits == before
    at = (value - 7.0) / 500.0
    assert taken == pytest.approx(math.log2(500 * math.sqrt(2 * math.pi)) + at**2 / 2 / math.log(2), abs=1.1)


@pytest.mark.parametrize("deviation", [1e-6, 0.3, 5.0, 1e4, 2.0**32])
@pytest.mark.parametrize("mean", [0.0, -3.4, 1e9 + 0.25])
def test_every_integer_comes_back(mean: float, deviation: float) -> None:
    normal, stack = Normal(mean, deviation), BitStack()
    places = [0.0, 0.4, -1.0, 3.0, -8.9, 9.1, 40.0, -1e4]
    values = [round(mean + each * max(deviation, 1.0)) for each in places]
    for value in values:
        normal.push(stack, value)
    assert [normal.pop(stack) for _ in values] == values[::-1]


@pytest.mark.parametrize("deviation", [2.0, 31.0, 33.0, 1e6])
def test_lengths_are_ideal_within_a_thousandth(deviation: float) -> None:
    drawn = random.Random(1)
    normal, stack = Normal(0.3, deviation), BitStack()
    values = [round(drawn.gauss(0.3, deviation)) for _ in range(20_000)]
    before = stack.bits
    for value in values:
        normal.push(stack, value)

    def share(value: int) -> float:
        edges = ((value + side - 0.3) / deviation / math.sqrt(2) for side in (-0.5, 0.5))
        low, high = (math.erf(each) for each in edges)
        return (high - low) / 2

    ideal = -sum(math.log2(share(value)) for value in values)
    assert (stack.bits - before - ideal) / len(values) == pytest.approx(0.0, abs=2e-3)


def test_a_stack_that_was_read_from_a_file_draws_nothing() -> None:
    stack = BitStack.of(BitStack(seed=1).words)
    with pytest.raises(ValueError, match="empty"):
        stack.pop_bits(4 * 32)
