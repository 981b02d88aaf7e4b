"""A picture of verdicts on claims: each difference with its interval, beside what was claimed."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from flowzoo.bench.claims import Outcome, Verdict
from flowzoo.plots import new_figure, write_figure

COLOURS: dict[Outcome, str] = {"reproduced": "#2a7f3f", "contradicted": "#b3261e", "undecided": "#8a6d00"}

WIDE = 6.0
"""Half the width of the picture, in halves of an interval; arrows stand for what lies outside."""


def plot_verdicts(judged: Sequence[Verdict], path: Path) -> None:
    """Draw the verdicts that rest on an interval.

    Figures of different claims have different units, so each difference is in halves of its own interval of
    95 %: an interval is two wide in every row, and right of zero lies what was claimed.

    Args:
        judged: The verdicts.
        path: The picture.

    Raises:
        FileError: The picture cannot be written.
    """
    shown = [each for each in reversed(judged) if each.interval is not None]
    figure = new_figure(9.0, 0.8 + 0.52 * max(len(shown), 1))
    axes = figure.subplots()
    for row, each in enumerate(shown):
        place, width = _place(each)
        kept = max(-WIDE + 1, min(WIDE - 1, place))
        axes.errorbar(kept, row, xerr=width, fmt="o", color=COLOURS[each.outcome], capsize=3)
        if kept != place:
            axes.annotate(f"{place:.0f}", (kept, row), (0, 6), textcoords="offset points", ha="center")
    axes.axvline(0.0, color="#666666", linewidth=1)
    axes.set_yticks(range(len(shown)), [_title(each) for each in shown], fontsize=8)
    axes.set_xlim(-WIDE, WIDE)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlabel("contradicted  ←  difference, in halves of its interval  →  reproduced", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    write_figure(figure, path)


def _place(verdict: Verdict) -> tuple[float, float]:
    """Return the difference from the margin, positive where the claim holds, and half its interval.

    Both are in halves of the interval, so the second is 1; it is 0 where all seeds agree.
    """
    assert verdict.interval is not None
    assert verdict.difference is not None
    low, high = verdict.interval
    sign = -1.0 if verdict.claim.is_lower else 1.0
    beyond = sign * verdict.difference + verdict.claim.margin
    if high > low:
        return beyond / ((high - low) / 2), 1.0
    return math.copysign(WIDE, beyond) if beyond else 0.0, 0.0


def _title(verdict: Verdict) -> str:
    return "\n".join(textwrap.wrap(verdict.claim.claim, 64, max_lines=2, placeholder=" ..."))
