"""One leaderboard for each suite, data set and place; what may not be ranked stands apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flowzoo.bench.report.grouping import comparable
from flowzoo.bench.report.notes import notes_of
from flowzoo.bench.report.ranking import Ranked, rank, row_terms, usual_terms
from flowzoo.bench.report.row import PARAMETERS, TRAINING_SECONDS, Row, rows_of
from flowzoo.bench.report.surroundings import unusual, usual_facts
from flowzoo.bench.report.terms import QUALITY, Terms, other_terms, own_targets
from flowzoo.bench.report.wording import clean, shape_text
from flowzoo.bench.result import DataFacts, Place, Result
from flowzoo.bench.store import Results, SkippedFile
from flowzoo.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Leaderboard:
    """A suite's rows on one revision of one data set, in one place.

    Attributes:
        suite: Its name.
        data: Of all of its cells the same name, revision, shape and number of bins.
        place: Of all of its cells the same kind of device and precision; empty where unknown.
        ranked: Rows with a valid likelihood, best first.
        elsewise: Rows with a valid likelihood that was measured on other terms than the ranked ones.
        unaudited: Rows whose likelihood has not been audited, and has no other fault.
        invalid: Rows with a likelihood that must not be ranked.
        unranked: Rows that were trained but have no likelihood.
        failed: Rows of which no cell finished.
        metrics: Names of all metrics: quality, parameters, seconds of training, then the others by name.
        own_targets: Of these the ones of which each row has a target of its own, so that they do not compare.
        terms: On which the ranked rows were measured.
        notes: What to know before rows are compared.
        heading: Suite, data set, and what else it takes to tell the report's leaderboards apart.
        title: The same with the revision of the data, its shape and number of bins.
    """

    suite: str
    data: DataFacts
    place: Place
    ranked: tuple[Ranked, ...]
    elsewise: tuple[Row, ...]
    unaudited: tuple[Row, ...]
    invalid: tuple[Row, ...]
    unranked: tuple[Row, ...]
    failed: tuple[Row, ...]
    metrics: tuple[str, ...]
    own_targets: frozenset[str]
    terms: Terms
    notes: tuple[str, ...]
    heading: str = ""
    title: str = ""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, ranked ones first."""
        return tuple(row for _, row in self.standings)

    @property
    def standings(self) -> Iterator[tuple[str, Row]]:
        """Every row once, with what it counts as."""
        for each in self.ranked:
            yield ("floor" if each.rank is None else "ranked"), each.row
        parts = (self.elsewise, self.unaudited, self.invalid, self.unranked, self.failed)
        for standing, rows in zip(_STANDINGS, parts, strict=True):
            for row in rows:
                yield standing, row

    @property
    def joint(self) -> tuple[Row, ...]:
        """Rows with a ``joint_bpd``, but for those whose likelihood is none."""
        return tuple(row for row in self.rows if row.joint is not None and row.is_sound)

    def why_elsewise(self, row: Row) -> str:
        """Return what a row's likelihood was measured on that those of the ranked rows were not."""
        return clean(other_terms(row_terms(row), self.terms))

    def name(self, row: Row) -> str:
        """Return a row's label, fit to be shown."""
        return clean(row.label, 60)


@dataclass(frozen=True)
class Report:
    """All leaderboards of a folder of results.

    Attributes:
        boards: By suite, data set and place.
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
        hint = did_you_mean(suite, suites) or ";"
        raise UnknownNameError(f"no results of a suite '{suite}'{hint} there are: {', '.join(suites)}")
    chosen = [each for each in results.results if suite in (None, each.suite)]
    return Report(
        boards=_told_apart([_board(group) for group in comparable(chosen)]),
        cells=len(chosen),
        failed=sum(each.status == "failed" for each in chosen),
        skipped=results.skipped,
        superseded=results.superseded,
        made=datetime.now(UTC),
    )


def _board(results: list[Result]) -> Leaderboard:
    rows = _marked(rows_of(results))
    with_quality = [row for row in rows if row.quality is not None]
    unaudited = [row for row in with_quality if row.is_sound and not row.audited]
    valid = [
        row for row in with_quality if row.quality is not None and row.quality.valid and row not in unaudited
    ]
    terms = usual_terms(valid)
    ranked = rank([row for row in valid if row_terms(row) == terms])
    finished = [row for row in rows if row.finished]
    shown = [each.row for each in ranked]
    return Leaderboard(
        suite=results[0].suite,
        data=results[0].data,
        place=results[0].place,
        ranked=ranked,
        elsewise=tuple(row for row in valid if row_terms(row) != terms),
        unaudited=tuple(sorted(unaudited, key=lambda row: (row.figures[QUALITY].value or 0.0, row.label))),
        invalid=tuple(row for row in with_quality if row not in valid and row not in unaudited),
        unranked=tuple(row for row in finished if row.quality is None),
        failed=tuple(row for row in rows if not row.finished),
        metrics=_metrics(rows),
        own_targets=own_targets(cell for row in finished for cell in row.finished),
        terms=terms,
        notes=tuple(notes_of(shown, [row for row in finished if row not in shown])),
    )


def _marked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows, each with what differs for it from most of them; the floor does not count there."""
    counted = [row.finished for row in rows if not row.is_floor]
    usual = usual_facts(counted if any(counted) else [row.finished for row in rows])
    return tuple(replace(row, elsewhere=tuple(unusual(row.finished, usual))) for row in rows)


def _metrics(rows: Iterable[Row]) -> tuple[str, ...]:
    found = {name for row in rows for name in row.figures}
    first = [name for name in (QUALITY, PARAMETERS, TRAINING_SECONDS) if name in found]
    return (*first, *sorted(found - set(first)))


def _told_apart(boards: Sequence[Leaderboard]) -> tuple[Leaderboard, ...]:
    """Give leaderboards headings that tell them apart, and no longer ones than that takes."""
    made = []
    for board in boards:
        data, place = board.data, ", ".join(filter(None, board.place))
        alike = [each for each in boards if (each.suite, each.data.name) == (board.suite, data.name)]
        revision = data.revision[:12]
        shape = f"{shape_text(data.shape)}, {data.bins} bins" if data.shape else ""
        places = [place] if len({each.place for each in alike}) > 1 else []
        revisions = [revision] if len({each.data.revision for each in alike}) > 1 else []
        shapes = [shape] if len({(each.data.shape, each.data.bins) for each in alike}) > 1 else []
        heading = [board.suite, " ".join(filter(None, [data.name, *revisions])), *shapes, *places]
        title = [board.suite, " ".join(filter(None, [data.name, revision])), shape, *places]
        made.append(replace(board, heading=_joined(heading), title=_joined(title)))
    return tuple(made)


def _joined(parts: Iterable[str]) -> str:
    return clean(" · ".join(filter(None, parts)))


_STANDINGS = ("other terms", "not audited", "invalid", "no likelihood", "failed")
