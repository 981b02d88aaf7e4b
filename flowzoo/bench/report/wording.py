"""Formats numbers and names for every kind of report."""

from __future__ import annotations

from collections.abc import Iterable

from flowzoo.bench.report.figure import Figure
from flowzoo.metric import BITS as BITS

ARROWS = {"lower": "↓", "higher": "↑", "": ""}
"""Arrows that show which figures are better."""


def figure_text(figure: Figure, with_error: bool = True, with_unit: bool = False) -> str:
    """Return a figure as text; a hyphen if there is none.

    >>> figure_text(Figure(2.5, "bits/dim", error=0.0123))
    '2.500 ± 0.012'
    """
    if figure.value is None:
        return "-"
    if figure.unit == BITS:
        text = bits(figure.value, figure.error if with_error else None)
    else:
        text = compact(figure.value)
        if with_error and figure.error is not None:
            text += f" ± {compact(figure.error)}"
    return f"{text} {figure.unit}" if with_unit and figure.unit else text


def bits(value: float, error: float | None = None) -> str:
    """Write bits/dim with three decimals, four where the error is below two thousandths; large ones in short.

    >>> bits(2.5, 0.001), bits(1234567.0)
    ('2.5000 ± 0.0010', '1.23M')
    """
    if abs(value) >= _LARGE:
        return compact(value) if error is None else f"{compact(value)} ± {compact(error)}"
    decimals = 4 if error is not None and error < 0.002 else 3
    text = f"{value:.{decimals}f}"
    return text if error is None else f"{text} ± {error:.{decimals}f}"


def compact(value: float) -> str:
    """Write a number with three digits.

    >>> [compact(each) for each in (0, 7, 12345, 1.5e6, 0.04567)]
    ['0', '7', '12.3k', '1.50M', '0.0457']
    """
    size = abs(value)
    for limit, letter in _THOUSANDS:
        if 0.9995 * limit <= size < 1e15:
            return f"{_three(value / limit)}{letter}"
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    return str(int(value)) if value == int(value) else _three(value)


def clean(text: str, limit: int = 500) -> str:
    """Return one line without control characters, which could otherwise steer a terminal.

    >>> clean("a" + chr(27) + "[31m" + chr(10) + "b")
    'a [31m b'
    """
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def counted(count: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Return names parted by commas, in quotation marks where they hold commas themselves.

    If there are more than ``limit`` names, the first are listed and the others counted.

    >>> listed(["glow", "glow, wide"])
    "glow, 'glow, wide'"
    """
    quoted = [f"'{each}'" if "," in each else each for each in map(clean, names)]
    more = [f"{len(quoted) - limit} more"] if len(quoted) > limit else []
    return ", ".join(quoted[:limit] + more)


def shape_text(shape: tuple[int, ...]) -> str:
    """Return ``1x8x8``."""
    return "x".join(str(side) for side in shape)


def _three(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


_LARGE = 1000
"""Larger bits/dim come from a training that failed, and their decimals mean nothing."""

_THOUSANDS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
