"""A row of a leaderboard: one model as one suite trains it, on one kind of device, over its seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from flowzoo.bench.report.figure import Figure, average
from flowzoo.bench.report.terms import QUALITY, stated, terms_of
from flowzoo.bench.report.wording import counted
from flowzoo.bench.result import Place, Result
from flowzoo.component import Published
from flowzoo.metric import NOT_AUDITED, Measurement

FLOOR = "gaussian"
"""The model that every other has to beat."""

PARAMETERS, TRAINING_SECONDS = "parameters", "training-seconds"


@dataclass(frozen=True)
class Row:
    """Cells that differ in their seed alone.

    Attributes:
        label: As the suite calls it.
        model: Registered name.
        place: Where it ran.
        finished: Cells with figures, by seed.
        failures: Cells without.
        figures: Averages by metric; parameters and seconds of training are among them.
        remark: What tells it apart from another row of the same label.
        elsewhere: What of its machine and versions is not as for most rows; empty where all is.
    """

    label: str
    model: str
    place: Place
    finished: tuple[Result, ...]
    failures: tuple[Result, ...]
    figures: Mapping[str, Figure]
    remark: str = ""
    elsewhere: tuple[str, ...] = ()

    @property
    def quality(self) -> Figure | None:
        """Its likelihood, valid or not."""
        figure = self.figures.get(QUALITY)
        return figure if figure is not None and figure.value is not None else None

    @property
    def is_floor(self) -> bool:
        """Whether it is the Gaussian."""
        return self.model == FLOOR

    def is_apart(self, metric: str) -> bool:
        """Whether a figure is a speed or the like, of another machine or versions than those of most rows."""
        figure = self.figures.get(metric)
        return bool(self.elsewhere) and figure is not None and figure.value is not None and not figure.repeats

    @property
    def joint(self) -> float | None:
        """Mean ``joint_bpd`` over seeds, which is no likelihood of the images; None where there is none."""
        found = [
            each.metrics[QUALITY].details.get("joint_bpd")
            for each in self.finished
            if QUALITY in each.metrics
        ]
        numbers = [float(each) for each in found if isinstance(each, int | float)]
        return sum(numbers) / len(numbers) if numbers else None

    @property
    def estimated(self) -> bool:
        """Whether its likelihood rests on Hutchinson's estimate of the trace."""
        return any("hutchinson" in trace for trace in stated(self.finished, QUALITY, "trace"))

    @property
    def audited(self) -> bool:
        """Whether the likelihoods of all of its seeds were audited."""
        return all(each.audited for each in self.finished if QUALITY in each.metrics)

    @property
    def is_sound(self) -> bool:
        """Whether its likelihood would be valid if it had been audited, or is."""
        quality = self.quality
        return quality is not None and all(each.endswith(NOT_AUDITED) for each in quality.objections)

    @property
    def published(self) -> tuple[Published, ...]:
        """What papers state, each once."""
        return tuple(dict.fromkeys(each for cell in self.cells for each in cell.published))

    @property
    def cells(self) -> tuple[Result, ...]:
        """All of its results."""
        return self.finished + self.failures

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must stand beside its figures, in few words."""
        remarks = [self.remark] if self.remark else []
        remarks += [_bound(each) for each in stated(self.finished, QUALITY, "proposal")]
        quality = self.quality
        if quality is not None and quality.spread is not None:
            remarks.append(f"{quality.seeds} seeds, sd {quality.spread:.3f}")
        elif len(self.finished) > 1:
            remarks.append(f"{len(self.finished)} seeds")
        if self.finished and self.failures:
            count = len(self.finished) + len(self.failures)
            remarks.append(f"{len(self.failures)} of {counted(count, 'seed')} failed")
        return tuple(remarks)


def rows_of(results: Iterable[Result]) -> tuple[Row, ...]:
    """Group the cells of one suite and data set to rows, in the order of their labels.

    Seeds that ran with other options, components, training or budget, or whose likelihood was measured on
    other images, are not averaged with the rest.
    """
    results = list(results)
    groups: dict[tuple[str, Place], dict[str, list[Result]]] = {}
    for each in results:
        if each.status == "finished":
            variants = groups.setdefault((each.label, each.place), {})
            variants.setdefault(_settings(each), []).append(each)
    rows = [
        _row(group, several=len(variants) > 1) for variants in groups.values() for group in variants.values()
    ]
    for each in results:
        if each.status == "failed":
            _add_failure(rows, each)
    return tuple(sorted(rows, key=lambda row: (row.label, row.place)))


def _row(cells: list[Result], several: bool) -> Row:
    cells = sorted(cells, key=lambda each: each.seed)
    first = cells[0]
    seeds = ", ".join(str(each.seed) for each in cells)
    return Row(
        label=first.label,
        model=first.model,
        place=first.place,
        finished=tuple(cells),
        failures=(),
        figures=_figures(cells),
        remark=f"only seed{'s' if len(cells) > 1 else ''} {seeds}" if several else "",
    )


def _figures(cells: list[Result]) -> dict[str, Figure]:
    measured: dict[str, dict[int, Measurement]] = {}
    for each in cells:
        if each.parameters is not None:
            measured.setdefault(PARAMETERS, {})[each.seed] = Measurement(each.parameters, "", "lower")
        measured.setdefault(TRAINING_SECONDS, {})[each.seed] = Measurement(
            each.spent.seconds, "s", "lower", repeats=False
        )
        for name, measurement in each.metrics.items():
            measured.setdefault(name, {})[each.seed] = measurement
    return {name: average(by_seed) for name, by_seed in measured.items()}


def _add_failure(rows: list[Row], failed: Result) -> None:
    """Let a failed cell join the row of its other seeds, if there is one."""
    where = failed.place
    for index, row in enumerate(rows):
        if row.label == failed.label and where in (row.place, ("", "")):
            rows[index] = replace(row, failures=(*row.failures, failed))
            return
    rows.append(Row(failed.label, failed.model, where, (), (failed,), {}))


def _settings(result: Result) -> str:
    """Return all that decides the figures but seed and data, as one string."""
    training = {name: value for name, value in result.training.items() if name != "seed"}
    decides = [result.model, result.options, result.pixels, training, result.components, result.budget]
    decides.append([*terms_of(result), str(result.audited)])
    return json.dumps(decides, sort_keys=True, default=str)


def _bound(proposal: str) -> str:
    """Return in short that a likelihood is a bound, from draws of a proposal."""
    draws = re.search(r"\bK=\d+", proposal)
    return f"bound, {draws[0]}" if draws else "bound"
