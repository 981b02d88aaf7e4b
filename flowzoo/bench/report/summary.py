"""The end of every report: the number of cells, and the files that were left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowzoo.bench.report.leaderboard import Report
from flowzoo.bench.report.wording import clean, counted
from flowzoo.bench.store import SkippedFile


def counts(report: Report) -> str:
    """Return counts of cells, failures, skipped files and superseded results in one line."""
    return (
        f"{counted(report.cells, 'cell')}, {report.failed:,} failed; "
        f"{counted(len(report.skipped), 'file')} skipped, {report.superseded:,} superseded"
    )


def skipped_lines(skipped: Iterable[SkippedFile]) -> Iterator[str]:
    """Yield each skipped file with the reason."""
    for each in skipped:
        yield f"{clean(str(each.path.parent.name + '/' + each.path.name), 120)}: {clean(each.reason, 200)}"
