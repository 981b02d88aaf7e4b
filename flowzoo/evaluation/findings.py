"""What the parts of a model measured of themselves, on average over the calls of a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from flowzoo.call import Finding, Ledger
from flowzoo.warm_start import WarmStart


@dataclass(frozen=True)
class Row:
    """What one part of a model measured.

    Attributes:
        component: Where it stands in the model, such as ``level 0, conditional``.
        part: Of the component, such as ``block 0, forward``.
        calls: How often it reported.
        figures: Means over the calls, by name.
    """

    component: str
    part: str
    calls: int
    figures: Mapping[str, float]


class Findings:
    """Gathers what components report, call by call, without keeping the calls.

    Args:
        names: A memory of the model, which knows its modules' names.
    """

    def __init__(self, names: WarmStart) -> None:
        self._names = names
        self._components: dict[str, dict[str, _Sums]] = {}

    def take(self, ledger: Ledger) -> None:
        """Take a ledger's findings out of it."""
        for finding in ledger.findings:
            parts = self._components.setdefault(self._place(finding.component), {})
            parts.setdefault(finding.row, _Sums()).add(finding)
        ledger.findings.clear()

    def rows(self) -> tuple[Row, ...]:
        """Return a row for each part, those of a component together, otherwise as they first appeared."""
        return tuple(
            Row(component, part, sums.calls, sums.means())
            for component, parts in self._components.items()
            for part, sums in parts.items()
        )

    def _place(self, component: nn.Module) -> str:
        name = self._names.name(component)
        if not name:
            return type(component).__name__
        first, *rest = name.split(".", 2)
        return f"level {rest[0]}, {rest[1]}" if first == "levels" and len(rest) == 2 else name


@dataclass
class _Sums:
    calls: int = 0
    figures: dict[str, tuple[float, int]] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        self.calls += 1
        for name, value in finding.figures.items():
            total, count = self.figures.get(name, (0.0, 0))
            self.figures[name] = (total + float(value), count + 1)

    def means(self) -> dict[str, float]:
        return {name: total / count for name, (total, count) in self.figures.items()}
