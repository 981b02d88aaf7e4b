"""Whose turn it is in greedy training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.errors import OptionError
from flowzoo.origin import name_of
from flowzoo.phases import common_phases
from flowzoo.tensors import is_replica

WARMUP = 0.1
"""Largest part of a turn over which the learning rate rises, so that a short turn trains at its full rate."""


@dataclass(frozen=True)
class Turn:
    """A phase in which one part of a stack trains.

    Attributes:
        phase: The stack's phase.
        place: Place of the part in the stack.
        within: Name of the part's own phase; empty where it has none.
    """

    phase: Phase
    place: int
    within: str


def turns_of(parts: Sequence[ConditionalBijector], shares: Sequence[float] | None) -> list[Turn]:
    """Return the turns of all parts that have parameters, a turn for each of a part's own phases.

    Args:
        parts: In the order in which they train.
        shares: Shares of the budget, one for each part; None for equal shares.

    Raises:
        OptionError: The shares do not fit the parts, or do not sum to 1.
    """
    # A model that is frozen as a whole, to be evaluated, keeps the turns that it had.
    frozen = not any(each.requires_grad for part in parts for each in part.parameters())
    trains = [any(each.requires_grad or frozen for each in part.parameters()) for part in parts]
    if shares is not None and any(is_replica(part) for part in parts):
        trains = [bool(each) for each in shares]  # a replica has no parameters of its own
    if shares is None:
        shares = [1.0 / max(1, sum(trains)) if each else 0.0 for each in trains]
    elif len(shares) != len(parts):
        raise OptionError(
            f"stack: shares has {len(shares)} numbers for {len(parts)} parts. Give one for each part"
        )
    for part, share, trainable in zip(parts, shares, trains, strict=True):
        if trainable and not share:
            raise OptionError(
                f"stack: a share of 0 leaves {name_of(part)} no step, and it has parameters to train. "
                "Give it a larger share, or leave the part out"
            )
        if share and not trainable:
            raise OptionError(f"stack: {name_of(part)} has nothing to train. Set its share to 0")
    if any(trains) and not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
        raise OptionError(f"stack: the shares sum to {sum(shares):g}. Choose shares that sum to 1")
    turns = []
    for place, (part, share) in enumerate(zip(parts, shares, strict=True)):
        for own in common_phases([part]) if share else ():
            name = f"part {place + 1}" + (f", {own.name}" if own.name else "")
            phase = replace(own, name=name, share=share * own.share, warmup=own.warmup or WARMUP)
            turns.append(Turn(phase, place, own.name))
    return turns
