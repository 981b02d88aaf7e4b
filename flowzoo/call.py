"""The record of a call: everything that a pass through a model needs besides tensors.

It is passed along explicitly, so nothing is stored on modules, and the global random state does not change.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, SupportsIndex

import torch
from torch import Tensor

from flowzoo.errors import OptionError
from flowzoo.exactness import Exactness, worst
from flowzoo.random_source import Draw, RandomSource, normal, rademacher, uniform
from flowzoo.shapes import PerImage
from flowzoo.solving import ORDINARY, Solving
from flowzoo.tensors import is_exporting

Mode = Literal["evaluate", "train", "initialise"]


@dataclass
class Ledger:
    """The reports of components while they compute.

    Attributes:
        penalties: Weighted regularisers by name, ``(B,)`` in nats each. They are added to the training loss.
        counts: Totals by name, such as ``evaluations`` of an ODE's vector field.
        notes: Conditions that are shown with a figure, by name, such as ``trace: exact``.
        parts: Exactness of the parts' log-determinants in this pass.
        wants_more: Whether a component needs more batches in the first pass over the data.
    """

    penalties: dict[str, PerImage] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    notes: dict[str, set[str]] = field(default_factory=dict)
    parts: set[Exactness] = field(default_factory=set)
    wants_more: bool = False

    @property
    def exactness(self) -> Exactness:
        """Exactness of ``log p(x)`` in this pass: that of its least exact part."""
        return worst(self.parts)

    @property
    def estimated(self) -> bool:
        """Whether a log-determinant was an estimate, which has noise."""
        return Exactness.UNBIASED in self.parts


@dataclass(frozen=True)
class Call:
    """Mode, generator and ledger of one pass through a model.

    Args:
        mode: ``evaluate``; ``train`` (regularisers are on, end times are drawn); or ``initialise`` (the first
            pass over data, in which components take from it the state that they need).
        generator: The source of every random draw. One generator serves the whole batch. A tuple holds one
            for each image, so that an image's draws do not depend on its batch. Without a generator, a pass
            draws from a stream of its own that begins with seed 0, so that evaluation repeats itself.
        ledger: Collects reports. Without it they are dropped.
        solver: Further settings for parts that solve or estimate.
        labels: The class of each image, ``(B,)``, whole numbers from 0 on, -1 for an image without a label.
            None is -1 for all images. Only parts whose ``traits.classes`` is not 0 use them.
    """

    mode: Mode = "evaluate"
    generator: torch.Generator | tuple[torch.Generator, ...] | None = None
    ledger: Ledger | None = None
    solver: Solving = ORDINARY
    labels: Tensor | None = None
    source: RandomSource | None = field(default=None, repr=False, compare=False)
    """Where random numbers come from without a generator. :meth:`seeded` sets it."""

    @property
    def training(self) -> bool:
        return self.mode == "train"

    def seeded(self) -> Call:
        """Return this call. Without a generator, return one whose draws all come from one stream."""
        if self.generator is not None or self.source is not None:
            return self
        return self.drawing_from(RandomSource())

    def drawing_from(self, source: RandomSource) -> Call:
        """Return a call without a generator, whose random numbers come from a source."""
        return dataclasses.replace(self, generator=None, source=source)

    def solving(self, **changes: Any) -> Call:
        """Return this call with changes to its :attr:`solver`."""
        return dataclasses.replace(self, solver=dataclasses.replace(self.solver, **changes))

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
        self.rest_on(ledger.parts)
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
        """State a condition that is shown with every figure of this pass."""
        if self.ledger is not None:
            self.ledger.notes.setdefault(name, set()).add(fact)

    def rest_on(self, parts: Iterable[Exactness]) -> None:
        """State the exactness of parts' log-determinants that figures of this pass depend on."""
        if self.ledger is not None:
            self.ledger.parts.update(parts)

    def want_more(self) -> None:
        """Request more batches in the first pass over the data."""
        if self.ledger is not None:
            self.ledger.wants_more = True

    def normal(self, like: Tensor) -> Tensor:
        """Draw standard normal noise with the shape, dtype and device of ``like``."""
        return self._draw(like, normal)

    def uniform(self, like: Tensor) -> Tensor:
        """Draw from ``U[0, 1)`` with the shape, dtype and device of ``like``."""
        return self._draw(like, uniform)

    def rademacher(self, like: Tensor) -> Tensor:
        """Draw signs, -1 or +1, with the shape, dtype and device of ``like``."""
        return self._draw(like, rademacher)

    def _draw(self, like: Tensor, draw: Draw) -> Tensor:
        if is_exporting():
            raise OptionError(
                "it draws random numbers, and an exported graph cannot. Export only the other part"
            )
        # A draw in double precision is the draw in single precision, so that the two can be compared.
        dtype = torch.float32 if like.dtype == torch.float64 else like.dtype
        if isinstance(self.generator, tuple):
            assert len(self.generator) == like.shape[0], "one generator for each image"
            rows = torch.stack([draw(like.shape[1:], dtype, each) for each in self.generator])
            return rows.to(like)
        if self.generator is not None:
            return draw(like.shape, dtype, self.generator).to(like)
        source = self.source or RandomSource()
        return source.take(draw, like.shape, dtype).to(like)


EVALUATION = Call()
"""The default: evaluation with draws that repeat from pass to pass; reports are dropped."""


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
