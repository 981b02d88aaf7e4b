"""What a user can do about a slow solve, given what a block measured of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LARGE_KINETIC_ENERGY = 1.0
"""For each dimension: what moving standard normal values straight onto unrelated ones costs."""

LARGE_JACOBIAN_NORM = 9.0
"""Squared, for each dimension: that of a field which stretches every dimension by ``e^3``."""

_LIMITS = {"kinetic energy": LARGE_KINETIC_ENERGY, "Jacobian norm": LARGE_JACOBIAN_NORM}


def advise(figures: Mapping[str, int | float]) -> Sequence[str]:
    """Return sentences of advice, none where there is nothing to advise.

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
