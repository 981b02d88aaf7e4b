"""Which levels a function on latents is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.integers import as_integer


def chosen_levels(flow: Flow, levels: Iterable[SupportsIndex] | None) -> frozenset[int]:
    """Return the places of levels, 0 being the finest; None stands for all of them.

    Raises:
        OptionError: The model has no such level, or the level factors nothing out.
    """
    count = len(flow.levels)
    if levels is None:
        return frozenset(range(count))
    places = set()
    for given in levels:
        place = as_integer(given)
        if place is None or not 0 <= place < count:
            raise OptionError(
                f"there is no level {given!r:.40}: this model has {count} level(s), "
                f"{'only 0' if count == 1 else f'0 (the finest) to {count - 1} (the coarsest)'}. "
                "Choose among these"
            )
        if not flow.latent_shapes[place][0]:
            raise OptionError(
                f"level {place} of this model has no latents, since it factors nothing out. "
                "Choose other levels"
            )
        places.add(place)
    return frozenset(places)
