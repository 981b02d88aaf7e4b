"""What is said of a run's images when training begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord

_MOST = 4
"""Reasons for skipping files that are named in one line."""


def said_of(record: RunRecord) -> list[str]:
    """Return the lines: sizes of splits, what was skipped, what was changed, and what splits share."""
    report = record.data_report
    sizes = ", ".join(f"{size:,} {split}" for split, size in report.sizes.items())
    skipped = report.skipped
    lines = [f"data: {record.experiment.data}, {sizes} images{_skipped(skipped) if skipped else ''}"]
    if record.experiment.flips:
        lines.append("note: training mirrors each image left to right with probability 1/2")
    lines += [f"note: {count:,} image(s): {change}" for change, count in report.changed.items()]
    for where, count in report.shared.items():
        split, _, other = where.partition(" in ")
        lines.append(
            f"warning: {count:,} {split} image(s) are {other} images too, with the same values; "
            f"figures on {split} images will be too good"
        )
    return lines


def _skipped(skipped: Mapping[str, int]) -> str:
    ordered = sorted(skipped.items(), key=lambda each: -each[1])
    named = [f"{count:,} {reason}" for reason, count in ordered[:_MOST]]
    rest = sum(count for _, count in ordered[_MOST:])
    if rest:
        named.append(f"{rest:,} others")
    return f"; {sum(skipped.values()):,} file(s) skipped: {', '.join(named)}"
