"""Advice about slow solves, from the measurements of a block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LARGE_KINETIC_ENERGY = 1.0
"""Kinetic energy for each dimension of moving standard normal values straight to unrelated ones."""

LARGE_JACOBIAN_NORM = 9.0
"""Squared norm for each dimension of the Jacobian of a field that stretches every dimension by ``e^3``."""

_LIMITS = {"kinetic energy": LARGE_KINETIC_ENERGY, "Jacobian norm": LARGE_JACOBIAN_NORM}


def advise(figures: Mapping[str, int | float]) -> Sequence[str]:
    """Return sentences of advice; none if there is nothing to advise.

    >>> [sentence] = advise({"kinetic energy": 2.0, "Jacobian norm": 8.0})
    >>> sentence.partition(",")[0]
    'the kinetic energy is above 1'
    """
    return [
        f"the {name} is above {limit:g}, so the solver needs small steps. Regularise a likelihood objective "
        "(bijector.kinetic, bijector.jacobian), pair by optimal transport in flow matching "
        "(bijector.pairing), or train for longer."
        for name, limit in _LIMITS.items()
        if figures.get(name, 0.0) > limit
    ]
