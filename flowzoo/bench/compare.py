"""Compares two sets of results: what changed, and whether by more than its uncertainty."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flowzoo.bench.kept_bits import paired_error
from flowzoo.bench.report.facts import differences
from flowzoo.bench.report.surroundings import differing, machine_of, software_of
from flowzoo.bench.result import QUALITY, Platform, Result
from flowzoo.bench.store import Results
from flowzoo.metric import Measurement

Verdict = Literal["equal", "better", "worse", "changed", "unclear", "differs", "unknown", "not comparable"]

VERDICTS: dict[Verdict, str] = {
    "equal": "the same figure",
    "better": "better by more than twice the uncertainty",
    "worse": "worse by more than twice the uncertainty",
    "changed": "another figure by more than twice the uncertainty; neither direction is better",
    "unclear": "a difference of less than twice the uncertainty",
    "differs": "another figure, of unknown uncertainty",
    "unknown": "one side has no figure",
    "not comparable": "other units, a figure that is not valid, or speeds and times on different machines",
}
"""What each verdict means."""

PAIRED = (
    "The uncertainty of bits/dim is that of the differences of the same images where both sides kept the "
    "bits/dim of each image (paired). Otherwise it is sqrt(e1² + e2²), as for independent images, which is "
    "too large for the same images."
)


@dataclass(frozen=True)
class Change:
    """One metric of one row.

    Attributes:
        metric: Name of the metric.
        unit: Unit of the figures.
        first: The figure of A.
        second: The figure of B.
        difference: B minus A; None if they cannot be compared.
        uncertainty: That of the differences of the same images if ``paired``, otherwise
            ``sqrt(e1^2 + e2^2)``; None where an error is unknown.
        verdict: The conclusion: a key of :data:`VERDICTS`.
        remark: Why they cannot be compared.
        paired: Whether the images were compared one by one.
    """

    metric: str
    unit: str
    first: float | None
    second: float | None
    difference: float | None
    uncertainty: float | None
    verdict: Verdict
    remark: str = ""
    paired: bool = False

    @property
    def marked(self) -> bool:
        """Whether the difference is more than twice its uncertainty."""
        return self.verdict in ("better", "worse", "changed")


@dataclass(frozen=True)
class Pair:
    """A row that is in both.

    Attributes:
        suite: Name of the suite.
        data: Data set, by the suite's label if it has one.
        revision: Revision of the data.
        label: Label of the row.
        seed: Seed of the training.
        changes: The change of each metric; empty if a cell failed.
        differences: Settings and conditions that differ between the cells, in short.
        statuses: ``finished`` or ``failed`` in A and in B.
    """

    suite: str
    data: str
    revision: str
    label: str
    seed: int
    changes: tuple[Change, ...]
    differences: tuple[str, ...]
    statuses: tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """How two sets of results differ.

    Attributes:
        pairs: Rows in both.
        only_first: Titles of rows that are in A only.
        only_second: Titles of rows that are in B only.
        machines: What differs between the machines, with the number of rows for which it does.
        versions: What differs between the versions, with the number of rows for which it does.
        data: Data sets whose images have changed, so that their rows are not compared.
    """

    pairs: tuple[Pair, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    machines: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def compare(first: Results, second: Results) -> Comparison:
    """Compare rows of the same suite, data set and revision, label and seed.

    If a row ran on several kinds of device or in several precisions, those of the same kind are compared;
    what remains on either side is compared across kinds.
    """
    ours, theirs = _by_row(first.results), _by_row(second.results)
    cells: list[tuple[Result, Result]] = []
    alone: tuple[list[Result], list[Result]] = ([], [])
    for row in sorted({*ours, *theirs}):
        left, right = dict(ours.get(row, {})), dict(theirs.get(row, {}))
        for platform in sorted({*left} & {*right}):
            cells.append((left.pop(platform), right.pop(platform)))
        if len(left) == len(right) == 1:
            cells.append((left.popitem()[1], right.popitem()[1]))
        alone[0].extend(left.values())
        alone[1].extend(right.values())
    return Comparison(
        pairs=tuple(
            _pair(one, other, paired_error(first.bits(one), second.bits(other))) for one, other in cells
        ),
        only_first=tuple(map(_words, alone[0])),
        only_second=tuple(map(_words, alone[1])),
        machines=_counted([_machines(one, other) for one, other in cells]),
        versions=_counted([_versions(one, other) for one, other in cells]),
        data=_changed_data(*alone),
    )


_Row = tuple[str, str, str, str, int]


def _by_row(results: Iterable[Result]) -> dict[_Row, dict[Platform, Result]]:
    rows: dict[_Row, dict[Platform, Result]] = {}
    for each in results:
        row = (each.suite, each.data.title, each.data.revision, each.label, each.seed)
        rows.setdefault(row, {})[each.platform] = each
    return rows


def _pair(first: Result, second: Result, paired: float | None) -> Pair:
    finished = first.status == second.status == "finished"
    names = sorted(
        {*first.metrics, *second.metrics} if finished else (), key=lambda name: (name != QUALITY, name)
    )
    machines, empty = _machines(first, second), Measurement(None, "")
    return Pair(
        suite=first.suite,
        data=first.data.title,
        revision=first.data.revision,
        label=first.label,
        seed=first.seed,
        changes=tuple(
            _change(
                name,
                first.metrics.get(name, empty),
                second.metrics.get(name, empty),
                machines,
                paired if name == QUALITY else None,
            )
            for name in names
        ),
        differences=differences(first, second),
        statuses=(first.status, second.status),
    )


def _change(
    metric: str, one: Measurement, other: Measurement, machines: Sequence[str], paired: float | None
) -> Change:
    uncertainty = paired
    if uncertainty is None and one.error is not None and other.error is not None:
        uncertainty = math.hypot(one.error, other.error)
    difference = None if one.value is None or other.value is None else other.value - one.value
    verdict, remark = _verdict(one, other, difference, uncertainty, machines)
    if remark:
        difference = uncertainty = None
    return Change(
        metric,
        one.unit or other.unit,
        one.value,
        other.value,
        difference,
        uncertainty,
        verdict,
        remark,
        paired is not None and not remark,
    )


def _verdict(
    one: Measurement,
    other: Measurement,
    difference: float | None,
    uncertainty: float | None,
    machines: Sequence[str],
) -> tuple[Verdict, str]:
    """Return the verdict about two measurements, and the reason if they cannot be compared."""
    sides, repeats = {"A": one, "B": other}, one.repeats and other.repeats
    if difference is None:
        return (
            "unknown",
            f"no figure in {' and '.join(name for name, each in sides.items() if each.value is None)}",
        )
    if one.unit != other.unit:
        return "not comparable", f"A is in {one.unit or 'no unit'}, B in {other.unit or 'no unit'}"
    if invalid := [name for name, each in sides.items() if not each.valid]:
        return "not comparable", f"not valid in {' and '.join(invalid)}"
    if machines and not repeats:
        return "not comparable", f"on different machines ({'; '.join(machines)})"
    if difference == 0 and (repeats or uncertainty is None):
        return "equal", ""
    if uncertainty is None:
        return "differs", ""
    if abs(difference) <= 2 * uncertainty:
        return "unclear", ""
    if not one.better or one.better != other.better:
        return "changed", ""
    return ("better" if (difference < 0) == (one.better == "lower") else "worse"), ""


def _machines(first: Result, second: Result) -> tuple[str, ...]:
    if first.environment is None or second.environment is None:
        return ()
    ours, theirs = (
        {"device": each.platform[0], "precision": each.platform[1], **machine_of(environment)}
        for each, environment in ((first, first.environment), (second, second.environment))
    )
    return tuple(f"{name}: {one} -> {other}" for name, one, other in differing(ours, theirs))


def _versions(first: Result, second: Result) -> tuple[str, ...]:
    if first.environment is None or second.environment is None:
        return ()
    changes = differing(software_of(first.environment), software_of(second.environment))
    return tuple(f"{name}: {one} -> {other}" for name, one, other in changes)


def _counted(found: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return each difference once, with the number of rows if not all rows have it."""
    counts = Counter(each for row in found for each in row)
    return tuple(
        each if count == len(found) else f"{each} ({count} of {len(found)} rows)"
        for each, count in counts.items()
    )


def _changed_data(first: Iterable[Result], second: Iterable[Result]) -> tuple[str, ...]:
    """Return the data sets with rows in A and in B whose revisions differ."""
    theirs = {each.row: each.data.revision for each in second}
    pairs = {(each.data.title, each.data.revision, theirs.get(each.row, "")) for each in first}
    return tuple(
        f"{name}: revision {one[:12]} -> {other[:12]}"
        for name, one, other in sorted(pairs)
        if one and other and one != other
    )


def _words(result: Result) -> str:
    where = ", ".join(filter(None, result.platform))
    words = f"{result.suite} · {result.data.title} · {result.label} · seed {result.seed}"
    return f"{words} ({where})" if where else words
