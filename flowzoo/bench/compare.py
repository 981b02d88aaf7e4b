"""Two sets of results beside each other: what changed, and whether by more than its uncertainty."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flowzoo.bench.report.differences import differences
from flowzoo.bench.report.surroundings import differing, machine_of, software_of
from flowzoo.bench.result import Place, Result
from flowzoo.bench.store import Results
from flowzoo.metric import Measurement

Verdict = Literal["equal", "better", "worse", "changed", "unclear", "differs", "unknown", "not comparable"]
"""``equal``: the same figure. ``better``, ``worse`` and, where neither direction is better, ``changed``: by
more than twice the uncertainty. ``unclear``: by less. ``differs``: with no uncertainty known. ``unknown``:
one has no figure. ``not comparable``: they have other units, one must not be ranked, or they are speeds or
times on different machines."""

PAIRED = (
    "The uncertainty is sqrt(e1² + e2²), as if both had been measured on images of their own. Models "
    "measured on the same images err together, so it is too large rather than too small."
)


@dataclass(frozen=True)
class Change:
    """One metric of one row.

    Attributes:
        metric: Its name.
        unit: Of the figures.
        first: The figure of A.
        second: The figure of B.
        difference: B less A; None where they cannot be compared.
        uncertainty: ``sqrt(e1^2 + e2^2)``; None where an error is unknown.
        verdict: What to make of it.
        remark: Why they cannot be compared.
    """

    metric: str
    unit: str
    first: float | None
    second: float | None
    difference: float | None
    uncertainty: float | None
    verdict: Verdict
    remark: str = ""

    @property
    def marked(self) -> bool:
        """Whether the difference is more than twice its uncertainty."""
        return self.verdict in ("better", "worse", "changed")


@dataclass(frozen=True)
class Pair:
    """A row that is in both.

    Attributes:
        suite: Its suite.
        data: Data set.
        revision: Of the data.
        label: Its label.
        seed: Its seed.
        changes: By metric; empty where a cell failed.
        differences: What differs between the cells apart from figures, in short.
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
    """Everything that two sets of results say of each other.

    Attributes:
        pairs: Rows in both.
        only_first: Rows in A alone, in words.
        only_second: Rows in B alone.
        machines: What differs between the machines, with the number of rows for which it does.
        versions: What differs between the versions, likewise.
    """

    pairs: tuple[Pair, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    machines: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


def compare(first: Results, second: Results) -> Comparison:
    """Compare rows of the same suite, data set and revision, label and seed.

    Where a row ran in several places (kinds of device and precisions), those of the same place are compared;
    one that is left on either side is compared across places.
    """
    ours, theirs = _by_row(first.results), _by_row(second.results)
    cells: list[tuple[Result, Result]] = []
    alone: tuple[list[Result], list[Result]] = ([], [])
    for row in sorted({*ours, *theirs}):
        left, right = dict(ours.get(row, {})), dict(theirs.get(row, {}))
        for where in sorted({*left} & {*right}):
            cells.append((left.pop(where), right.pop(where)))
        if len(left) == len(right) == 1:
            cells.append((left.popitem()[1], right.popitem()[1]))
        alone[0].extend(left.values())
        alone[1].extend(right.values())
    return Comparison(
        pairs=tuple(_pair(one, other) for one, other in cells),
        only_first=tuple(_told(each, alone[1]) for each in alone[0]),
        only_second=tuple(_told(each, alone[0]) for each in alone[1]),
        machines=_counted([_machines(one, other) for one, other in cells]),
        versions=_counted([_versions(one, other) for one, other in cells]),
    )


_Row = tuple[str, str, str, str, int]


def _by_row(results: Iterable[Result]) -> dict[_Row, dict[Place, Result]]:
    rows: dict[_Row, dict[Place, Result]] = {}
    for each in results:
        row = (each.suite, each.data.name, each.data.revision, each.label, each.seed)
        rows.setdefault(row, {})[each.place] = each
    return rows


def _pair(first: Result, second: Result) -> Pair:
    both = first.status == second.status == "finished"
    names = _ordered({**first.metrics, **second.metrics}) if both else []
    machines = _machines(first, second)
    changes = [_change(name, first.metrics.get(name), second.metrics.get(name), machines) for name in names]
    return Pair(
        suite=first.suite,
        data=first.data.name,
        revision=first.data.revision,
        label=first.label,
        seed=first.seed,
        changes=tuple(changes),
        differences=differences(first, second),
        statuses=(first.status, second.status),
    )


def _ordered(metrics: Mapping[str, Any]) -> list[str]:
    return sorted(metrics, key=lambda name: (name != "bits-per-dim", name))


def _change(
    metric: str, first: Measurement | None, second: Measurement | None, machines: Sequence[str]
) -> Change:
    one = first or second
    assert one is not None
    a, b = (None if each is None else each.value for each in (first, second))

    def stated(verdict: Verdict, remark: str = "", uncertainty: float | None = None) -> Change:
        compared = verdict not in ("unknown", "not comparable")
        difference = b - a if compared and a is not None and b is not None else None
        return Change(metric, one.unit, a, b, difference, uncertainty, verdict, remark)

    if first is None or second is None or a is None or b is None:
        return stated("unknown", _missing(first, second))
    if first.unit != second.unit:
        return stated("not comparable", f"A is in {first.unit or 'no unit'}, B in {second.unit or 'no unit'}")
    invalid = [name for name, each in (("A", first), ("B", second)) if not each.valid]
    if invalid:
        return stated("not comparable", f"not valid in {' and '.join(invalid)}")
    if machines and not (first.repeats and second.repeats):
        return stated("not comparable", f"on different machines ({'; '.join(machines)})")
    uncertainty = _uncertainty(first, second)
    repeats = first.repeats and second.repeats
    if a == b and (repeats or uncertainty is None):
        return stated("equal", uncertainty=uncertainty)
    if uncertainty is None:
        return stated("differs")
    if abs(b - a) <= 2 * uncertainty:
        return stated("unclear", uncertainty=uncertainty)
    if not first.better or first.better != second.better:
        return stated("changed", uncertainty=uncertainty)
    return stated("better" if (b < a) == (first.better == "lower") else "worse", uncertainty=uncertainty)


def _uncertainty(first: Measurement, second: Measurement) -> float | None:
    if first.error is None or second.error is None:
        return None
    return math.hypot(first.error, second.error)


def _missing(first: Measurement | None, second: Measurement | None) -> str:
    without = [name for name, each in (("A", first), ("B", second)) if each is None or each.value is None]
    return f"no figure in {' and '.join(without)}"


def _machines(first: Result, second: Result) -> tuple[str, ...]:
    if first.environment is None or second.environment is None:
        return ()
    places = (dict(zip(("device", "precision"), each.place, strict=True)) for each in (first, second))
    ours, theirs = (
        place | dict(machine_of(environment))
        for place, environment in zip(places, (first.environment, second.environment), strict=True)
    )
    return tuple(f"{name}: {one} -> {other}" for name, one, other in differing(ours, theirs))


def _versions(first: Result, second: Result) -> tuple[str, ...]:
    if first.environment is None or second.environment is None:
        return ()
    changes = differing(software_of(first.environment), software_of(second.environment))
    return tuple(f"{name}: {one} -> {other}" for name, one, other in changes)


def _counted(found: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return each difference once, with the number of rows where it is not there for all."""
    counts = Counter(each for row in found for each in row)
    return tuple(
        each if count == len(found) else f"{each} ({count} of {len(found)} rows)"
        for each, count in counts.items()
    )


def _told(result: Result, others: Iterable[Result]) -> str:
    told = f"{result.suite} · {result.data.name} · {result.label} · seed {result.seed}"
    revisions = sorted({each.data.revision for each in others if each.row == result.row})
    if revisions and result.data.revision not in revisions:
        mine = result.data.revision[:12] or "unknown"
        return f"{told} (of data revision {mine}, the other of {', '.join(revisions)[:40] or 'unknown'})"
    where = ", ".join(filter(None, result.place))
    return f"{told} ({where})" if where else told
