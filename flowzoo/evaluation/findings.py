"""Averages what the parts of a model measured over the calls of a pass, and collects their advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from flowzoo.solving import Finding
from flowzoo.warm_start import WarmStart

STANDS_OUT = 1.5
"""A part is called the slowest if it costs this many times the mean of the other parts."""


@dataclass(frozen=True)
class Row:
    """What one part of a model measured.

    Attributes:
        component: Its place in the model, such as ``level 0, conditional``.
        part: The part of the component, such as ``block 0, forward``.
        calls: Number of its reports.
        figures: Means over the calls, by name.
    """

    component: str
    part: str
    calls: int
    figures: Mapping[str, float]


class Findings:
    """Gathers what components report, call by call, without keeping the calls.

    Args:
        names: A warm start of the model, which holds its modules' names.
    """

    def __init__(self, names: WarmStart) -> None:
        self._names = names
        self._components: dict[str, dict[str, _Sums]] = {}
        self._advice: dict[str, dict[str, None]] = {}

    def take(self, found: list[Finding]) -> None:
        """Take all findings out of a list."""
        for finding in found:
            place = self._place(finding.component)
            self._components.setdefault(place, {}).setdefault(finding.row, _Sums()).add(finding)
            for sentence in finding.advice:
                self._advice.setdefault(sentence, {})[place] = None
        found.clear()

    def rows(self) -> tuple[Row, ...]:
        """Return a row for each part: the parts of a component together, otherwise in order of appearance."""
        return tuple(
            Row(component, part, sums.calls, sums.means())
            for component, parts in self._components.items()
            for part, sums in parts.items()
        )

    def advice(self) -> tuple[str, ...]:
        """Return sentences that say which part cost most, and the advice of the components."""
        advised = (f"{'; '.join(places)}: {sentence}" for sentence, places in self._advice.items())
        return (*self._slowest(), *advised)

    def _slowest(self) -> tuple[str, ...]:
        costs = {
            f"{component}, {part}": sums.cost
            for component, parts in self._components.items()
            for part, sums in parts.items()
        }
        total = sum(costs.values())
        if not total:
            return ()
        name, cost = max(costs.items(), key=lambda pair: pair[1])
        if (len(costs) - 1) * cost < STANDS_OUT * (total - cost):
            return (
                f"The evaluations are spread evenly: no part takes more than {cost / total:.0%} of them.",
            )
        return (f"{name} takes {cost / total:.0%} of the evaluations.",)

    def _place(self, component: nn.Module) -> str:
        name = self._names.name(component)
        if not name:
            return type(component).__name__
        first, *rest = name.split(".", 2)
        return f"level {rest[0]}, {rest[1]}" if first == "levels" and len(rest) == 2 else name


@dataclass
class _Sums:
    calls: int = 0
    cost: float = 0.0
    figures: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        self.calls += 1
        self.cost += finding.cost
        for name, value in finding.figures.items():
            total, count = self.figures.get(name, (0.0, 0))
            self.figures[name] = (total + float(value), count + 1)

    def means(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in self.figures.items()}
