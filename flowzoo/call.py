"""The record of a call: what a pass through a model needs beyond tensors.

It is passed along explicitly, so nothing is stashed on modules and the global random state is left alone.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, SupportsIndex

import torch
from torch import Tensor, nn

from flowzoo.shapes import PerImage
from flowzoo.warm_start import WarmStart

Mode = Literal["evaluate", "train", "initialise"]


class Finding(NamedTuple):
    """What a component measured of itself on one batch.

    Attributes:
        component: Who reports.
        row: Which part of it, such as ``block 0``.
        figures: By name.
    """

    component: nn.Module
    row: str
    figures: Mapping[str, float]


@dataclass
class Ledger:
    """What the components of a model report while they compute.

    Attributes:
        penalties: Weighted regularisers, ``(B,)`` in nats each, to be added to the training loss.
        counts: Totals by name, such as ``evaluations`` of an ODE's vector field.
        notes: Facts that a report must state, such as ``trace: exact``.
        findings: What components measured of themselves, for a diagnosis.
        wants_more: Whether a component asked for further batches in the first pass over the data.
    """

    penalties: dict[str, PerImage] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    notes: dict[str, set[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    wants_more: bool = False


@dataclass(frozen=True)
class Call:
    """Generator, mode and ledger of one pass through a model.

    Args:
        mode: ``evaluate``; ``train`` (regularisers on, end times jittered); or ``initialise`` (the first
            pass over data, in which components set the state that they take from it).
        generator: Source of every random draw. One generator serves the batch; a tuple holds one for
            each image, so that an image's draws do not depend on its batch. Without any, each draw comes
            from a fresh generator with seed 0, which makes evaluation deterministic.
        exact: Ask components that estimate their ``log_det`` for the exact value, whatever it costs.
        tight: Ask components that solve iteratively for errors far below what they are set to, as a judge of
            their ordinary answers.
        phase: In training, by name: which of its ``phases`` a bijector is in.
        warm_start: What components keep from batch to batch; without it they start anew with each.
        ledger: Where reports are collected; without it they are dropped.
    """

    mode: Mode = "evaluate"
    generator: torch.Generator | tuple[torch.Generator, ...] | None = None
    exact: bool = False
    tight: bool = False
    phase: str = ""
    warm_start: WarmStart | None = None
    ledger: Ledger | None = None

    @property
    def training(self) -> bool:
        return self.mode == "train"

    def seeded(self) -> Call:
        """Return this call; without a generator, one whose draws all come from a single one with seed 0."""
        if self.generator is not None:
            return self
        return dataclasses.replace(self, generator=torch.Generator().manual_seed(0))

    def collecting(self) -> tuple[Call, Ledger]:
        """Return a copy of this call that reports to a new ledger, and that ledger."""
        ledger = Ledger()
        return dataclasses.replace(self, ledger=ledger), ledger

    def absorb(self, ledger: Ledger) -> None:
        """Report what another ledger of the same pass has collected."""
        for name, value in ledger.penalties.items():
            self.penalise(name, value)
        for name, amount in ledger.counts.items():
            self.count(name, amount)
        for name, facts in ledger.notes.items():
            for fact in facts:
                self.note(name, fact)
        if self.ledger is not None:
            self.ledger.findings += ledger.findings
        if ledger.wants_more:
            self.want_more()

    def penalise(self, name: str, value: PerImage) -> None:
        """Add a weighted regulariser, ``(B,)`` in nats, to the training loss."""
        if self.ledger is not None:
            known = self.ledger.penalties.get(name)
            self.ledger.penalties[name] = value if known is None else known + value

    def count(self, name: str, amount: float) -> None:
        """Add to a total."""
        if self.ledger is not None:
            self.ledger.counts[name] = self.ledger.counts.get(name, 0.0) + amount

    def note(self, name: str, fact: str) -> None:
        """State a fact that must stand beside any figure that comes out of this pass."""
        if self.ledger is not None:
            self.ledger.notes.setdefault(name, set()).add(fact)

    def find(self, component: nn.Module, row: str, figures: Mapping[str, float]) -> None:
        """Report what a component measured of itself on this batch."""
        if self.ledger is not None:
            self.ledger.findings.append(Finding(component, row, figures))

    def recall(self, component: nn.Module, key: str) -> Any | None:
        """Return what a component kept from an earlier batch, None if there is nothing."""
        return None if self.warm_start is None else self.warm_start.recall(component, key)

    def keep(self, component: nn.Module, key: str, value: Any) -> None:
        """Keep a value, one that JSON can hold, for the next batch."""
        if self.warm_start is not None:
            self.warm_start.keep(component, key, value)

    def want_more(self) -> None:
        """Ask for further batches in the first pass over the data."""
        if self.ledger is not None:
            self.ledger.wants_more = True

    def normal(self, like: Tensor) -> Tensor:
        """Draw standard normal noise with the shape, dtype and device of ``like``."""
        return self._draw(like, _normal)

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from ``U[0, 1)`` with the shape, dtype and device of ``like``."""
        return self._draw(like, _uniform)

    def rademacher(self, like: Tensor) -> Tensor:
        """Draw signs, -1 or +1, with the shape, dtype and device of ``like``."""
        return self._draw(like, _rademacher)

    def _draw(self, like: Tensor, draw: _Draw) -> Tensor:
        # A draw in double precision is the one in single precision, so that the two can be compared.
        dtype = torch.float32 if like.dtype == torch.float64 else like.dtype
        if isinstance(self.generator, tuple):
            assert len(self.generator) == like.shape[0], "one generator for each image"
            rows = torch.stack([draw(like.shape[1:], dtype, each) for each in self.generator])
            return rows.to(like)
        generator = self.generator or torch.Generator().manual_seed(0)
        return draw(like.shape, dtype, generator).to(like)


EVALUATION = Call()
"""The default: evaluation with repeatable draws, reports dropped."""

_Draw = Callable[[torch.Size, torch.dtype, torch.Generator], Tensor]


def per_image_generators(seed: int, indices: Iterable[SupportsIndex]) -> tuple[torch.Generator, ...]:
    """Return one generator for each image, seeded by ``seed`` and the image's index in its data set."""
    own = operator.index(seed)  # Python's own integers: the mixing leaves the range of NumPy's
    return tuple(torch.Generator().manual_seed(_mix(own, operator.index(index))) for index in indices)


def _mix(seed: int, index: int) -> int:
    # Neighbouring seeds must not give related streams: splitmix64's finaliser scatters them.
    word = (seed * 0x9E3779B97F4A7C15 + index + 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (word ^ (word >> 31)) & 0x7FFFFFFFFFFFFFFF


def _normal(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, dtype=dtype, device=generator.device, generator=generator)


def _uniform(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, dtype=dtype, device=generator.device, generator=generator)


def _rademacher(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    bits = torch.randint(0, 2, shape, device=generator.device, generator=generator)
    return bits.to(dtype) * 2 - 1
