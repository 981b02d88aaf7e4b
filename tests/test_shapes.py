import pytest

from flowzoo.errors import ShapeError
from flowzoo.shapes import as_shape, require_even


def test_a_sequence_of_three_positive_integers_is_a_shape() -> None:
    assert as_shape([3, 32, 16]) == (3, 32, 16)


@pytest.mark.parametrize("shape", [[3, 32], [3, 32, 32, 1], [3, 0, 32], [3, -1, 32], [3, 32.0, 32]])
def test_anything_else_is_refused(shape: list[int]) -> None:
    with pytest.raises(ShapeError, match=r"an image shape is \(channels, height, width\).*; got \("):
        as_shape(shape)


@pytest.mark.parametrize(("height", "width"), [(7, 8), (8, 7), (1, 1)])
def test_odd_sizes_are_named_with_who_halves_them(height: int, width: int) -> None:
    require_even((3, 8, 6), "haar")
    with pytest.raises(
        ShapeError, match=rf"haar halves height and width, and {height}x{width} is odd; use fewer"
    ):
        require_even((3, height, width), "haar")
