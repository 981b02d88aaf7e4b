"""What may be ranked with what: one leaderboard for each suite and data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from flowzoo.bench.report.row import PARAMETERS, QUALITY, TRAINING_SECONDS, Row, rows_of
from flowzoo.bench.report.wording import clean, shape_text
from flowzoo.bench.result import DataFacts, Result
from flowzoo.bench.store import Results, SkippedFile
from flowzoo.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Ranked:
    """A row with its rank.

    Attributes:
        rank: From 1, equal figures alike; None for the Gaussian floor, which has no number among the others.
        row: The row.
        below_floor: Whether it fails to beat the floor.
    """

    rank: int | None
    row: Row
    below_floor: bool


@dataclass(frozen=True)
class Leaderboard:
    """A suite's rows on one revision of one data set.

    Attributes:
        suite: Its name.
        data: Of all of its cells the same name, revision, shape and number of bins.
        ranked: Rows with a valid likelihood, best first.
        invalid: Rows with a likelihood that must not be ranked.
        unranked: Rows that were trained but have no likelihood.
        failed: Rows of which no cell finished.
        metrics: Names of all metrics: quality, parameters, seconds of training, then the others by name.
        notes: Where rows were not measured on equal terms.
    """

    suite: str
    data: DataFacts
    ranked: tuple[Ranked, ...]
    invalid: tuple[Row, ...]
    unranked: tuple[Row, ...]
    failed: tuple[Row, ...]
    metrics: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, ranked ones first."""
        return (*(each.row for each in self.ranked), *self.invalid, *self.unranked, *self.failed)

    @property
    def joint(self) -> tuple[Row, ...]:
        """Rows with a ``joint_bpd``."""
        return tuple(row for row in self.rows if row.joint is not None)

    @property
    def title(self) -> str:
        """Suite, data set and revision."""
        parts = [self.suite, " ".join(filter(None, [self.data.name, self.data.revision[:12]]))]
        if self.data.shape:
            parts.append(f"{shape_text(self.data.shape)}, {self.data.bins} bins")
        return clean(" · ".join(parts))

    @property
    def one_place(self) -> bool:
        """Whether all rows ran on the same kind of device with the same precision, as far as is known."""
        return len({row.place for row in self.rows if row.place != ("", "")}) <= 1

    def name(self, row: Row) -> str:
        """Return a row's label, with where it ran if that tells rows apart."""
        label = clean(row.label, 60)
        return label if self.one_place or row.place == ("", "") else f"{label} ({', '.join(row.place)})"


@dataclass(frozen=True)
class Report:
    """All leaderboards of a folder of results.

    Attributes:
        boards: By suite and data set.
        cells: How many results they are made of.
        failed: How many of these failed.
        skipped: Files that held no result.
        superseded: Older results that were left out.
        made: When, UTC.
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
        results: As read.
        suite: Of which to report; all by default.

    Raises:
        UnknownNameError: There are no results of this suite.
    """
    suites = sorted({each.suite for each in results.results})
    if suite is not None and suite not in suites:
        raise UnknownNameError(
            f"no results of a suite '{suite}'{did_you_mean(suite, suites)}; there are: {', '.join(suites)}"
        )
    chosen = [each for each in results.results if suite in (None, each.suite)]
    return Report(
        boards=tuple(_board(group) for group in _comparable(chosen)),
        cells=len(chosen),
        failed=sum(each.status == "failed" for each in chosen),
        skipped=results.skipped,
        superseded=results.superseded,
        made=datetime.now(UTC),
    )


def _comparable(results: Iterable[Result]) -> list[list[Result]]:
    """Group by suite and by all that makes images the same: data set, revision, shape and bins."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    unloaded = []
    for each in results:
        if each.data.revision or each.status == "finished":
            key = (each.suite, each.data.name, each.data.revision, each.data.shape, each.data.bins)
            groups.setdefault(key, []).append(each)
        else:
            unloaded.append(each)
    # A cell that failed before its data was read says nothing of the data, so it stands with the rest.
    for each in unloaded:
        nearest = (group for key, group in groups.items() if key[:2] == (each.suite, each.data.name))
        group = next(nearest, None)
        if group is None:
            groups[(each.suite, each.data.name, "", (), 0)] = [each]
        else:
            group.append(each)
    return [groups[key] for key in sorted(groups, key=str)]


def _board(results: list[Result]) -> Leaderboard:
    rows = rows_of(results)
    with_quality = [row for row in rows if row.quality is not None]
    ranked = _rank([row for row in with_quality if row.quality is not None and row.quality.valid])
    return Leaderboard(
        suite=results[0].suite,
        data=results[0].data,
        ranked=ranked,
        invalid=tuple(row for row in with_quality if row.quality is not None and not row.quality.valid),
        unranked=tuple(row for row in rows if row.finished and row.quality is None),
        failed=tuple(row for row in rows if not row.finished),
        metrics=_metrics(rows),
        notes=_notes([each.row for each in ranked]),
    )


def _rank(rows: list[Row]) -> tuple[Ranked, ...]:
    rows = sorted(rows, key=lambda row: (_bits(row), row.label))
    floor = min((_bits(row) for row in rows if row.is_floor), default=None)
    models = [_bits(row) for row in rows if not row.is_floor]
    return tuple(
        Ranked(
            # Equal figures share the rank of the first of them.
            rank=None if row.is_floor else models.index(_bits(row)) + 1,
            row=row,
            below_floor=not row.is_floor and floor is not None and _bits(row) >= floor,
        )
        for row in rows
    )


def _bits(row: Row) -> float:
    assert row.quality is not None
    assert row.quality.value is not None
    return row.quality.value


def _metrics(rows: Iterable[Row]) -> tuple[str, ...]:
    found = {name for row in rows for name in row.figures}
    first = [name for name in (QUALITY, PARAMETERS, TRAINING_SECONDS) if name in found]
    return (*first, *sorted(found - set(first)))


def _notes(rows: list[Row]) -> tuple[str, ...]:
    """Name conditions of the ranking that are not the same for all rows."""
    notes = []
    for name in _EQUAL_TERMS:
        used = {str(row.figures[QUALITY].conditions.get(name, "?")) for row in rows if not row.is_floor}
        if len(used) > 1:
            notes.append(
                f"not on equal terms: {name} differ between rows ({clean(', '.join(sorted(used)), 60)})"
            )
    budgets = {
        clean(str({key: value for key, value in cell.spent.budget.items() if value is not None}))
        for row in rows
        for cell in row.finished
        if not row.is_floor
    }
    if len(budgets) > 1:
        notes.append("not on equal terms: budgets of training differ between rows")
    jobs = {cell.environment.jobs for row in rows for cell in row.finished if cell.environment is not None}
    if any(each > 1 for each in jobs):
        notes.append(f"up to {max(jobs)} cells ran at the same time, from which speeds and times suffer")
    return tuple(notes)


_EQUAL_TERMS = ("split", "images", "draws", "dequantisation")
