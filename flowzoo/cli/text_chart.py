"""Curves as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MARKS = "o+x*#@%&"

HEIGHT = 12


def text_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    width: int,
    across: str,
    up: str,
    height: int = HEIGHT,
    marks: str = MARKS,
) -> list[str]:
    r"""Return the lines of a chart of curves, with a mark for each.

    The first validations of a training can be far above the rest, so the chart ends where three quarters of
    all points lie below, with as much room again; points above it are drawn in its highest row.

    >>> print("\n".join(text_chart({"a": [(0, 3.0), (10, 1.0)]}, 37, "steps", "bits/dim")[-2:]))
           0                    10  steps
           o a

    Args:
        curves: The points of each curve, by its name.
        width: Columns of the whole chart, with what stands beside it.
        across: What the horizontal axis shows.
        up: What the vertical axis shows.
        height: Rows of the chart, without its axes.
        marks: A mark for each curve; more curves begin again with the first. Later curves cover earlier ones.
    """
    signs = [marks[place % len(marks)] for place in range(len(curves))]
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return []
    values = sorted(value for _, value in points)
    low = values[0]
    high = min(values[-1], low + 2.0 * (values[3 * (len(values) - 1) // 4] - low) or values[-1])
    high = high if high > low else low + 1e-3
    left, right = min(place for place, _ in points), max(place for place, _ in points)
    columns = max(10, width - len(across) - 10)
    grid = [[" "] * columns for _ in range(height)]
    for mark, curve in zip(signs, curves.values(), strict=True):
        for place, value in curve:
            column = round((columns - 1) * (place - left) / ((right - left) or 1))
            row = round((height - 1) * (high - min(value, high)) / (high - low))
            grid[row][column] = mark
    lines = [up]
    for row, cells in enumerate(grid):
        value = high - (high - low) * row / (height - 1)
        label = f"{value:7.3f}" if row % 3 == 0 or row == height - 1 else " " * 7
        lines.append(f"{label}|{''.join(cells)}".rstrip())
    start, end = f"{left:,.0f}", f"{right:,.0f}"
    lines.append(f"{' ' * 7}{start}{end:>{max(1, columns + 1 - len(start))}}  {across}")
    lines += [f"{' ' * 7}{mark} {name}" for mark, name in zip(signs, curves, strict=True)]
    return lines
