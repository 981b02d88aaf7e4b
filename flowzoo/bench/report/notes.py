"""Notes to read before the rows of a leaderboard are compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from flowzoo.bench.report.conditions import QUALITY, own_targets, stated
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import clean, listed
from flowzoo.bench.result import Result
from flowzoo.evaluation.floor_worth import remarks_on_floor

_SPEED, _WHOLE = "train-speed", "all levels"


def notes_of(rows: Sequence[Row], apart: Sequence[Row]) -> Iterator[str]:
    """Yield the conditions that differ between rows, and other remarks.

    Args:
        rows: The ranked rows.
        apart: Other rows with figures.
    """
    models = [row for row in rows if not row.is_floor]
    cells = [cell for row in models for cell in row.finished]
    every = [*rows, *apart]
    for name, verb in (("draws", "differ"), ("dequantisation", "differs"), ("trace", "differs")):
        used = stated(cells, QUALITY, name)
        if len(used) > 1:
            values = clean("; ".join(sorted(used)), 80)
            yield f"not on equal terms: {name} of {QUALITY} {verb} between rows ({values})"
    yield from _budgets(cells)
    for row in models:
        for tuning in dict.fromkeys(cell.tuning for cell in row.finished if cell.tuning):
            yield f"{clean(row.label, 60)} was tuned: {clean(tuning, 300)}"
    yield from _parts_of_training(models)
    for metric in sorted(own_targets(cells)):
        yield f"{clean(metric, 40)}: each row has a target of its own, so these figures do not compare"
    labels = Counter(row.label for row in every)
    several = sorted(label for label, count in labels.items() if count > 1)
    if several:
        yield f"seeds of {listed(several)} ran or were measured differently, so they are not averaged"
    yield from _elsewhere(every)
    yield from _floors([row for row in every if row.is_floor])
    jobs = {cell.environment.jobs for row in rows for cell in row.finished if cell.environment is not None}
    if any(each > 1 for each in jobs):
        yield f"up to {max(jobs)} cells ran at the same time, which makes each of them slower"


def _budgets(cells: Sequence[Result]) -> Iterator[str]:
    amounts: dict[str, set[float]] = {}
    for cell in cells:
        for unit, amount in _budget(cell).items():
            amounts.setdefault(clean(unit, 20), set()).add(amount)
    if sum(map(len, amounts.values())) > 1:
        ranges = [
            f"{' to '.join(f'{each:,g}' for each in sorted({min(used), max(used)}))} {unit}"
            for unit, used in sorted(amounts.items())
        ]
        yield f"not on equal terms: trainings of {' or '.join(ranges)}"


def _budget(cell: Result) -> dict[str, float]:
    return {unit: amount for unit, amount in cell.budget.items() if amount is not None}


def _parts_of_training(rows: Sequence[Row]) -> Iterator[str]:
    """Say to which part of training the speeds belong, except for rows with the most common part."""
    parts = {row.label: part for row in rows if (part := _part(row))}
    counts = Counter(parts.values()).most_common()
    if len(counts) > 1:
        others = "; ".join(
            f"{clean(part, 40)} for {listed(label for label in sorted(parts) if parts[label] == part)}"
            for part, _ in counts[1:]
        )
        yield f"{_SPEED} is of different parts of training: {others}; {clean(counts[0][0])} for the rest"


def _part(row: Row) -> str:
    stages, phases = (stated(row.finished, _SPEED, name) for name in ("stage", "phase"))
    whole = all(stage.startswith(_WHOLE) for stage in stages)
    return ", ".join(phases if phases and whole else stages)


def _elsewhere(rows: Sequence[Row]) -> Iterator[str]:
    """Name the rows of each other machine or set of versions, and what differs."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.elsewhere:
            groups.setdefault(row.elsewhere, []).append(row.label)
    for odd, labels in groups.items():
        yield (
            f"{listed(sorted(set(labels)))}: measured on another machine or with other versions than most "
            f"({'; '.join(odd)}), so speeds and times are shown apart"
        )
    if groups and any("seconds" in _budget(cell) for row in rows for cell in row.finished):
        yield "trainings that are given seconds get further on a faster machine, so bits/dim depend on it too"


def _floors(rows: Sequence[Row]) -> Iterator[str]:
    """Say what makes a floor weak."""
    for row in rows:
        data, images = row.finished[0].data, row.finished[0].data.sizes.get("train")
        if images and data.shape and row.quality is not None:
            for remark in remarks_on_floor(row.bits, images, math.prod(data.shape), data.bins):
                yield f"{clean(row.label, 60)}: {remark}"
