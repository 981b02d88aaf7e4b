"""A row of a leaderboard: one model in one suite, on one kind of device, with its seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowzoo.bench.report.conditions import QUALITY, conditions_of, stated
from flowzoo.bench.report.figure import Figure, average
from flowzoo.bench.report.wording import counted
from flowzoo.bench.result import Platform, Result
from flowzoo.component import Published
from flowzoo.exactness import Exactness
from flowzoo.metric import NOT_AUDITED, Measurement
from flowzoo.registry.added import without_added
from flowzoo.registry.every_model import BEFORE, UNIFORM
from flowzoo.registry.loader import default_registry

FLOOR = "gaussian"
"""The model that every other model should beat."""

PARAMETERS, TRAINING_SECONDS = "parameters", "training-seconds"


@dataclass(frozen=True)
class Row:
    """Cells that differ only in their seed.

    Attributes:
        label: Label in the suite.
        model: Registered name.
        platform: Kind of device and precision.
        finished: Cells with figures, by seed.
        failures: Cells without.
        figures: Averages by metric, including parameters and seconds of training.
        remark: What distinguishes it from another row of the same label.
        elsewhere: How its machine and versions differ from those of most rows; empty if they do not.
        timed: The cells whose speeds and times it shows: all, or those from the machine of most rows.
        verified: Whether its models were measured again, and gave the same figures.
    """

    label: str
    model: str
    platform: Platform
    finished: tuple[Result, ...]
    failures: tuple[Result, ...]
    figures: Mapping[str, Figure]
    remark: str = ""
    elsewhere: tuple[str, ...] = ()
    timed: tuple[Result, ...] = ()
    verified: bool = False

    @property
    def quality(self) -> Figure | None:
        """Its likelihood, valid or not."""
        figure = self.figures.get(QUALITY)
        return figure if figure is not None and figure.value is not None else None

    @property
    def bits(self) -> float:
        """Its bits/dim, for rows that have them."""
        assert self.quality is not None
        assert self.quality.value is not None
        return self.quality.value

    @property
    def is_floor(self) -> bool:
        """Whether it is the Gaussian."""
        return self.model == FLOOR

    def is_apart(self, metric: str) -> bool:
        """Whether a figure is a speed or a time from another machine or other versions than most rows'."""
        figure = self.figures.get(metric)
        return bool(self.elsewhere) and figure is not None and figure.value is not None and not figure.repeats

    @property
    def joint(self) -> float | None:
        """Mean ``joint_bpd`` over seeds, which is not a likelihood of the images; None if there is none."""
        measured = (cell.metrics[QUALITY] for cell in self.finished if QUALITY in cell.metrics)
        found = (each.details.get("joint_bpd") for each in measured)
        numbers = [float(each) for each in found if isinstance(each, int | float)]
        return sum(numbers) / len(numbers) if numbers else None

    @property
    def estimated(self) -> bool:
        """Whether its likelihood was computed with an estimate of a log-determinant."""
        return self.quality is not None and self.quality.estimated

    @property
    def is_bound(self) -> bool:
        """Whether its likelihood is a lower bound, from draws."""
        return self.quality is not None and self.quality.exactness is Exactness.BOUND

    @property
    def audited(self) -> bool:
        """Whether the likelihoods of all of its seeds were audited."""
        return all(each.audited for each in self.finished if QUALITY in each.metrics)

    @property
    def is_sound(self) -> bool:
        """Whether its likelihood would be valid if it had been audited, or is."""
        quality = self.quality
        measured = [each.metrics[QUALITY] for each in self.finished if QUALITY in each.metrics]
        objections = {objection for each in measured for objection in each.objections}
        return quality is not None and objections <= {NOT_AUDITED}

    @property
    def published(self) -> tuple[Published, ...]:
        """The figures of papers, each once."""
        return tuple(dict.fromkeys(each for cell in self.cells for each in cell.published))

    @property
    def cells(self) -> tuple[Result, ...]:
        """All of its results."""
        return self.finished + self.failures

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on its figures, in few words."""
        quality, seeds = self.quality, len(self.finished)
        noises = stated(self.finished, QUALITY, "dequantisation")
        times = [f"speeds of seed{'s' if len(self.timed) > 1 else ''} {_seeds(self.timed)}"]
        some = times if 0 < len(self.timed) < seeds else []
        remarks = [self.remark, *some, *(f"noise: {each}" for each in noises if each != UNIFORM)]
        if self.is_bound:
            samples = stated(self.finished, QUALITY, "draws")
            remarks += [f"bound, K={each}" for each in samples] or ["bound"]
        if quality is not None and quality.spread is not None:
            remarks.append(f"{quality.seeds} seeds, sd {quality.spread:.3f}")
        elif seeds > 1:
            remarks.append(f"{seeds} seeds")
        if self.finished and self.failures:
            remarks.append(f"{len(self.failures)} of {counted(len(self.cells), 'seed')} failed")
        return tuple(filter(None, remarks))


def rows_of(results: Iterable[Result]) -> tuple[Row, ...]:
    """Group the cells of one suite and data set into rows, in the order of their labels.

    Seeds that ran with other options, components, training or budget, or whose likelihood was measured on
    other images, are not averaged with the rest. A failed cell belongs to the row of its other seeds.
    """
    variants: dict[tuple[str, Platform], dict[str, list[Result]]] = {}
    failed = []
    for each in results:
        if each.status == "failed":
            failed.append(each)
        else:
            settings = variants.setdefault((each.label, each.platform), {})
            settings.setdefault(_settings(each), []).append(each)
    rows = [_row(cells, len(found) > 1) for found in variants.values() for cells in found.values()]
    for each in failed:
        for place, row in enumerate(rows):
            if row.label == each.label and each.platform in (row.platform, ("", "")):
                rows[place] = replace(row, failures=(*row.failures, each))
                break
        else:
            rows.append(Row(each.label, each.model, each.platform, (), (each,), {}))
    return tuple(sorted(rows, key=lambda row: (row.label, row.platform)))


def _row(cells: list[Result], several: bool) -> Row:
    cells = sorted(cells, key=lambda each: each.seed)
    first, seeds = cells[0], _seeds(cells)
    return Row(
        label=first.label,
        model=first.model,
        platform=first.platform,
        finished=tuple(cells),
        failures=(),
        figures=_figures(cells),
        remark=f"only seed{'s' if len(cells) > 1 else ''} {seeds}" if several else "",
    )


def with_times_of(row: Row, cells: Sequence[Result]) -> Row:
    """Return a row whose speeds and times are those of some of its cells, at least one."""
    own = {name: each for name, each in _figures(cells).items() if not each.repeats}
    return replace(row, timed=tuple(cells), figures={**row.figures, **own})


def _seeds(cells: Sequence[Result]) -> str:
    return ", ".join(str(each.seed) for each in cells)


def _figures(cells: Sequence[Result]) -> dict[str, Figure]:
    measured: dict[str, dict[int, Measurement]] = {}
    for each in cells:
        own = {TRAINING_SECONDS: Measurement(each.spent.seconds, "s", "lower", repeats=False)}
        if each.parameters is not None:
            own[PARAMETERS] = Measurement(each.parameters, "", "lower")
        for name, measurement in {**own, **each.metrics}.items():
            measured.setdefault(name, {})[each.seed] = measurement
    return {name: average(by_seed) for name, by_seed in measured.items()}


def _settings(result: Result) -> str:
    """Return everything that decides the figures, except seed and data, as one string.

    Options that were added between two seeds, and change nothing, do not part them.
    """
    asked = result.experiment
    options = without_added(default_registry(), "model", asked.model, asked.options)
    # Of a model that is not installed here, these options at least are known.
    options = {name: each for name, each in options.items() if name not in BEFORE or each != BEFORE[name]}
    training = asked.training.decisive()
    decides = [result.model, options, result.pixels, training, result.components, result.budget]
    decides.append([*conditions_of(result), str(result.audited), result.suite_revision])
    return json.dumps(decides, sort_keys=True, default=str)
