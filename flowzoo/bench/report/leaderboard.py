"""One leaderboard for each suite, data set, kind of device and precision, with other rows below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flowzoo.bench.report.conditions import QUALITY, Conditions, other_conditions, own_targets
from flowzoo.bench.report.grouping import comparable
from flowzoo.bench.report.notes import notes_of
from flowzoo.bench.report.ranking import Ranked, rank, row_conditions, usual_conditions
from flowzoo.bench.report.row import PARAMETERS, TRAINING_SECONDS, Row, rows_of, with_times_of
from flowzoo.bench.report.surroundings import as_usual, unusual, usual_facts
from flowzoo.bench.report.wording import clean, shape_text
from flowzoo.bench.result import DataFacts, Platform, Result
from flowzoo.bench.store import Results, SkippedFile, when
from flowzoo.errors import UnknownNameError, did_you_mean

SUPERSEDED, OTHER, UNAUDITED, INVALID = "superseded", "other conditions", "not audited", "invalid"
UNMEASURED, FAILED = "no likelihood", "failed"

APART = (SUPERSEDED, OTHER, UNAUDITED, INVALID, UNMEASURED, FAILED)
"""Why a row is not ranked: it followed an older revision of the suite; its likelihood was measured on other
images or in another unit, was not audited and has no other fault, or must not be ranked; or it has none; or
no cell of it finished."""


@dataclass(frozen=True)
class Leaderboard:
    """A suite's rows on one revision of one data set, on one kind of device.

    Attributes:
        suite: Its name.
        data: The data set: all cells have the same name, revision, shape and number of bins.
        platform: Kind of device and precision of all cells; empty if unknown.
        ranked: Rows with a valid likelihood, best first.
        apart: The other rows, by the reasons in :data:`APART`.
        metrics: Names of all metrics: quality, parameters, seconds of training, then the others by name.
        own_targets: Metrics for which each row has its own target, so that they cannot be compared.
        conditions: The conditions under which the ranked rows were measured.
        notes: Remarks to read before rows are compared.
        pairs: Number of pairs of ranked models that were compared, and of those compared image by image.
        heading: Suite, data set, and more if the report's leaderboards need it to be distinguished.
        title: The same with the revision of the data, its shape and number of bins.
    """

    suite: str
    data: DataFacts
    platform: Platform
    ranked: tuple[Ranked, ...]
    apart: Mapping[str, tuple[Row, ...]]
    metrics: tuple[str, ...]
    own_targets: frozenset[str]
    conditions: Conditions
    notes: tuple[str, ...]
    pairs: tuple[int, int] = (0, 0)
    heading: str = ""
    title: str = ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, ranked ones first."""
        return tuple(row for _, row in self.standings)

    @property
    def standings(self) -> Iterator[tuple[str, Row]]:
        """Every row once, with its status."""
        for each in self.ranked:
            yield ("floor" if each.rank is None else "ranked"), each.row
        for reason in APART:
            for row in self.apart[reason]:
                yield reason, row

    def other_conditions(self, row: Row) -> str:
        """Return the conditions of a row's likelihood that differ from those of the ranked rows."""
        return clean(other_conditions(row_conditions(row), self.conditions))

    def name(self, row: Row) -> str:
        """Return a row's label, fit to be shown."""
        return clean(row.label, 60)


@dataclass(frozen=True)
class Report:
    """All leaderboards of a folder of results.

    Attributes:
        boards: By suite, data set, kind of device and precision.
        cells: Number of results.
        failed: Number of failed cells.
        skipped: Files that are not results.
        superseded: Number of older results that were left out.
        made: Time when the report was made, UTC.
    """

    boards: tuple[Leaderboard, ...]
    cells: int
    failed: int
    skipped: tuple[SkippedFile, ...]
    superseded: int
    made: datetime


def make_report(results: Results, suite: str | None = None) -> Report:
    """Sort results into leaderboards.

    Args:
        results: The results.
        suite: The only suite to report; None for all.

    Raises:
        UnknownNameError: There are no results of this suite.
    """
    suites = sorted({each.suite for each in results.results})
    if suite is not None and suite not in suites:
        hint = did_you_mean(suite, suites) or "."
        raise UnknownNameError(f"there are no results of a suite '{suite}'{hint} Suites: {', '.join(suites)}")
    chosen = [each for each in results.results if suite in (None, each.suite)]
    return Report(
        boards=_told_apart([_board(group, results) for group in comparable(chosen)]),
        cells=len(chosen),
        failed=sum(each.status == "failed" for each in chosen),
        skipped=results.skipped,
        superseded=results.superseded,
        made=datetime.now(UTC),
    )


def _board(results: list[Result], folder: Results) -> Leaderboard:
    rows = _marked(rows_of(results), folder)
    revision = _newest_revision(results)
    usual = usual_conditions([row for row in rows if _fault(row, revision) == ""])
    apart: dict[str, list[Row]] = {reason: [] for reason in APART}
    rankable: list[Row] = []
    for row in rows:
        reason = _fault(row, revision) or ("" if row_conditions(row) == usual else OTHER)
        (apart[reason] if reason else rankable).append(row)
    apart[UNAUDITED].sort(key=lambda row: (row.bits, row.label))
    ranking = rank(rankable, folder.bits)
    finished = [row for row in rows if row.finished]
    shown = [each.row for each in ranking.ranked]
    return Leaderboard(
        suite=results[0].suite,
        data=results[0].data,
        platform=results[0].platform,
        ranked=ranking.ranked,
        apart={reason: tuple(found) for reason, found in apart.items()},
        metrics=_metrics(rows),
        own_targets=own_targets(cell for row in finished for cell in row.finished),
        conditions=usual,
        notes=tuple(notes_of(shown, [row for row in finished if row not in shown])),
        pairs=(ranking.pairs, ranking.paired),
    )


def _newest_revision(results: Iterable[Result]) -> str:
    """Return the suite's revision that the newest finished result followed."""
    finished = [each for each in results if each.status == "finished"]
    return max(finished, key=lambda each: when(each)).suite_revision if finished else ""


def _fault(row: Row, revision: str) -> str:
    """Return why a row cannot be ranked, independent of other rows; empty if it can."""
    if not row.finished:
        return FAILED
    if row.finished[0].suite_revision != revision:
        return SUPERSEDED
    if row.quality is None:
        return UNMEASURED
    if row.is_sound and not row.audited:
        return UNAUDITED
    return "" if row.quality.valid else INVALID


def _marked(rows: Sequence[Row], folder: Results) -> tuple[Row, ...]:
    """Return the rows, each with its differences from most rows, and whether it is verified.

    The floor does not count as a row here.
    """
    counted = [row.finished for row in rows if not row.is_floor]
    usual = usual_facts(counted if any(counted) else [row.finished for row in rows])
    made = []
    for row in rows:
        verified = bool(row.finished) and all(folder.verified(cell) for cell in row.finished)
        timed = as_usual(row.finished, usual)
        if timed:
            made.append(replace(with_times_of(row, timed), verified=verified))
        else:
            made.append(replace(row, elsewhere=tuple(unusual(row.finished, usual)), verified=verified))
    return tuple(made)


def _metrics(rows: Iterable[Row]) -> tuple[str, ...]:
    found = {name for row in rows for name in row.figures}
    first = [name for name in (QUALITY, PARAMETERS, TRAINING_SECONDS) if name in found]
    return (*first, *sorted(found - set(first)))


def _told_apart(boards: Sequence[Leaderboard]) -> tuple[Leaderboard, ...]:
    """Give leaderboards headings that distinguish them, as short as possible."""
    made = []
    for board in boards:
        data, platform = board.data, ", ".join(filter(None, board.platform))
        alike = [each for each in boards if (each.suite, each.data.title) == (board.suite, data.title)]
        revision = data.revision[:12]
        shape = f"{shape_text(data.shape)}, {data.bins} bins" if data.shape else ""
        platforms = platform if len({each.platform for each in alike}) > 1 else ""
        revisions = revision if len({each.data.revision for each in alike}) > 1 else ""
        shapes = shape if len({(each.data.shape, each.data.bins) for each in alike}) > 1 else ""
        heading = [board.suite, f"{data.title} {revisions}", shapes, platforms]
        title = [board.suite, f"{data.title} {revision}", shape, platforms]
        made.append(replace(board, heading=_joined(heading), title=_joined(title)))
    return tuple(made)


def _joined(parts: Iterable[str]) -> str:
    return clean(" · ".join(part.strip() for part in parts if part))
