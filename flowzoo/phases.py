"""The phases of training that the bijectors of a model declare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from torch import nn

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.errors import OptionError
from flowzoo.origin import name_of

WHOLE = (Phase(""),)
"""The one phase of bijectors that declare none."""


def common_phases(modules: Iterable[nn.Module]) -> tuple[Phase, ...]:
    """Return the phases of modules that train together.

    Bijectors without phases train in all of them. One with phases decides for all parts inside it.

    Raises:
        OptionError: Two bijectors declare different phases, or a bijector's shares do not sum to 1.
    """
    asked: dict[tuple[Phase, ...], None] = {}
    for root in modules:
        for bijector in _outermost(root):
            _require_whole(bijector)
            asked[tuple(bijector.phases)] = None
    if len(asked) > 1:
        raise OptionError(
            "bijectors that train together have different phases of training, "
            f"{' against '.join(map(_describe, asked))}. Set the same objective options for all of them"
        )
    return next(iter(asked), WHOLE)


def phase_at(phases: Sequence[Phase], progress: float) -> Phase:
    """Return the phase that a training is in.

    Args:
        phases: The phases of the training.
        progress: How much of the training is done, in ``[0, 1]``.

    >>> phase_at([Phase("one", 0.8), Phase("two", 0.2)], 0.9).name
    'two'
    """
    done = 0.0
    for phase in phases:
        done += phase.share
        if progress < done:
            return phase
    return phases[-1]


def _outermost(module: nn.Module) -> Iterator[ConditionalBijector]:
    """Yield the bijectors with phases that stand in no other one with phases."""
    if isinstance(module, ConditionalBijector) and module.phases:
        yield module
        return
    for child in module.children():
        yield from _outermost(child)


def _require_whole(bijector: ConditionalBijector) -> None:
    phases = bijector.phases
    figures = (figure for phase in phases for figure in (phase.share, phase.rate, phase.warmup or 1.0))
    positive = all(0 < figure < math.inf for figure in figures)
    if not positive or not math.isclose(sum(phase.share for phase in phases), 1.0, abs_tol=1e-6):
        raise OptionError(
            f"the phases of {name_of(bijector)} are {_describe(phases)}. Shares and rates must be positive, "
            "and the shares must sum to 1. This is a mistake in the component: report it to its author"
        )


def _describe(phases: tuple[Phase, ...]) -> str:
    each = (f"{phase.name} with share {phase.share:g} and rate {phase.rate:g}" for phase in phases)
    return f"({', '.join(each)})"
