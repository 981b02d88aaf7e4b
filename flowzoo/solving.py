"""Settings of a call for parts that solve or estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn

from flowzoo.warm_start import WarmStart


class Finding(NamedTuple):
    """Measurements of a component on one batch.

    Attributes:
        component: The component that reports.
        row: The part of it that was measured, such as ``block 0``.
        figures: The figures by name.
        cost: What the part cost, in evaluations of its network. It is compared with the cost of other parts.
        advice: Sentences of advice that follow from the figures. Best without numbers in them: the same
            sentence of several components is shown once.
    """

    component: nn.Module
    row: str
    figures: Mapping[str, float]
    cost: float = 0.0
    advice: Sequence[str] = ()


@dataclass(frozen=True)
class Solving:
    """The part of a call that only solvers, and parts with several objectives, need: ``call.solver``.

    Args:
        exact: Whether parts that estimate their ``log_det`` must compute the exact value, however slow.
        tight: Whether parts that solve iteratively must keep errors far below their tolerance. Their ordinary
            results are compared with these.
        phase: In training, the name of the phase that a bijector with several ``phases`` is in.
        warm_start: What parts keep from batch to batch. Without it they start anew with each batch.
        findings: Collects measurements of solves. Without it nothing is measured.
        guidance: Factor on what a label changes in vector fields. Other than 1, the first half of the batch
            is given no labels, the second half is the same images given theirs, and both halves follow the
            field ``v(x) + guidance (v(x | label) - v(x))``; in ``inverse`` only.
    """

    exact: bool = False
    tight: bool = False
    phase: str = ""
    warm_start: WarmStart | None = None
    findings: list[Finding] | None = None
    guidance: float = 1.0

    def recall(self, component: nn.Module, key: str) -> Any | None:
        """Return the value that a component kept in an earlier batch; None if there is none."""
        return None if self.warm_start is None else self.warm_start.recall(component, key)

    def keep(self, component: nn.Module, key: str, value: Any) -> None:
        """Keep a value, one that JSON can hold, for the next batch."""
        if self.warm_start is not None:
            self.warm_start.keep(component, key, value)

    def find(
        self,
        component: nn.Module,
        row: str,
        figures: Mapping[str, float],
        cost: float = 0.0,
        advice: Sequence[str] = (),
    ) -> None:
        """Report measurements of a component on this batch; arguments as in :class:`Finding`."""
        if self.findings is not None:
            self.findings.append(Finding(component, row, figures, cost, advice))


ORDINARY = Solving()
"""The default: ordinary accuracy, and nothing is kept or measured."""
