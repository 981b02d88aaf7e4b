"""What every kind of report ends with: how much it is made of, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from flowzoo.bench.report.leaderboard import Report
from flowzoo.bench.report.wording import clean, counted


def counts(report: Report) -> str:
    """Return counts of cells, failures, skipped files and superseded results in one line."""
    return (
        f"{counted(report.cells, 'cell')}, {report.failed:,} failed; "
        f"{counted(len(report.skipped), 'file')} skipped, {report.superseded:,} superseded"
    )


def skipped_lines(report: Report) -> Iterator[str]:
    """Yield each skipped file with the reason."""
    for each in report.skipped:
        yield f"{clean(str(each.path.parent.name + '/' + each.path.name), 120)}: {clean(each.reason, 200)}"
