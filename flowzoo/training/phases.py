"""The phases of training that the bijectors of a model ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.errors import OptionError
from flowzoo.origin import name_of

WHOLE = (Phase(""),)
"""The one phase of bijectors that ask for none."""


def common_phases(modules: Iterable[nn.Module]) -> tuple[Phase, ...]:
    """Return what modules go through when they train together.

    Bijectors that ask for no phases go along with any.

    Raises:
        OptionError: Two bijectors ask for different phases, or a bijector's phases make no whole.
    """
    asked: dict[tuple[Phase, ...], None] = {}
    for root in modules:
        for module in root.modules():
            if isinstance(module, ConditionalBijector) and module.phases:
                _require_whole(module)
                asked[tuple(module.phases)] = None
    if len(asked) > 1:
        raise OptionError(
            "bijectors that train together ask for different phases of training, "
            f"{' against '.join(map(_describe, asked))}; set the same objective options for all of them"
        )
    return next(iter(asked), WHOLE)


def _require_whole(bijector: ConditionalBijector) -> None:
    phases = bijector.phases
    positive = all(0 < figure < math.inf for phase in phases for figure in (phase.share, phase.rate))
    if not positive or not math.isclose(sum(phase.share for phase in phases), 1.0, abs_tol=1e-6):
        raise OptionError(
            f"the phases of {name_of(bijector)} are {_describe(phases)}; shares and rates must be positive, "
            "and the shares sum to 1; the component must be mended"
        )


def _describe(phases: tuple[Phase, ...]) -> str:
    each = (f"{phase.name} with share {phase.share:g} and rate {phase.rate:g}" for phase in phases)
    return f"({', '.join(each)})"
