"""Layers of the two parities part the values between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowzoo.api import Shape
from flowzoo_spline.checkerboard import moving_places

sizes = st.integers(1, 5)


@given(st.tuples(sizes, sizes, sizes))
def test_every_value_moves_in_one_of_two_layers_and_some_stay(shape: Shape) -> None:
    channels, height, width = shape
    count = channels * height * width
    even, odd = (moving_places(shape, parity).tolist() for parity in (0, 1))
    if count == 1:
        assert even == odd == [0]
    else:
        assert sorted(even + odd) == list(range(count))
        assert even
        assert odd


@given(st.tuples(sizes, sizes, sizes), st.integers(0, 1))
def test_no_neighbours_move_together(shape: Shape, parity: int) -> None:
    _, height, width = shape
    places = moving_places(shape, parity).tolist()
    seen = {(place // (height * width), place // width % height, place % width) for place in places}
    for channel, row, column in seen:
        assert not seen & {(channel + 1, row, column), (channel, row + 1, column), (channel, row, column + 1)}
