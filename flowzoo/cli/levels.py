"""Levels by their numbers on the command line: ``0,2``, ``all`` or ``none``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowzoo.errors import OptionError

if TYPE_CHECKING:
    from flowzoo.flow import Flow


def parse_levels(text: str, option: str, flow: Flow) -> list[int]:
    """Return the places of levels, 0 being the finest.

    Args:
        text: Numbers with commas between them, ``all`` or ``none``.
        option: The option's name, for the message.
        flow: The model, whose levels ``all`` means.

    Raises:
        OptionError: The text is something else, or names a level that the model has not.
    """
    from flowzoo.latents.choice import chosen_levels

    if text == "all":
        return list(range(len(flow.levels)))
    if text == "none":
        return []
    try:
        places = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(
            f"{option} is '{text}'. Give level numbers, 0 being the finest, as in 0,2; or all, or none"
        ) from error
    return sorted(chosen_levels(flow, places))


def named_levels(places: list[int], flow: Flow) -> str:
    """Return what levels are called: ``no level``, ``all levels``, ``level 1`` or ``levels 0, 2``."""
    if len(places) == len(flow.levels):
        return "all levels"
    numbers = ", ".join(map(str, places))
    return {0: "no level", 1: f"level {numbers}"}.get(len(places), f"levels {numbers}")
