"""Short names of options: ``hidden`` for the one nested option of that name, ``*.hidden`` for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowzoo.errors import OptionError

EVERY = "*"
"""Options below this name are set in every component that has them."""


def spell_out(given: Mapping[str, Any], paths: Sequence[str], what: str) -> dict[str, Any]:
    """Return options with short names replaced by full ones. An unknown name stays as it is.

    >>> paths = ["levels", "joint.network.hidden", "last.network.hidden", "last.steps"]
    >>> spell_out({"levels": 2, "steps": 4}, paths, "model 'glow'")
    {'levels': 2, 'last.steps': 4}
    >>> spell_out({"*": {"hidden": 128}}, paths, "model 'glow'")
    {'joint.network.hidden': 128, 'last.network.hidden': 128}

    Args:
        given: Options by name.
        paths: Full names of all options, those of nested components with dots.
        what: The component in words, for the error.

    Raises:
        OptionError: A short name means several options, or a name below ``*`` means none.
    """
    full: dict[str, Any] = {}
    for name, value in given.items():
        if name == EVERY and isinstance(value, Mapping):
            for each, wanted in value.items():
                every = _named(each, paths)
                if not every:
                    raise OptionError(
                        f"{what}: '{EVERY}.{each}' names no option; there are {', '.join(paths)}"
                    )
                full |= dict.fromkeys(every, wanted)
        elif name in paths:
            full[name] = value
        else:
            found = _named(name, paths)
            if len(found) > 1:
                raise OptionError(
                    f"{what}: '{name}' may be {' or '.join(found)}. Give one of these names, or "
                    f"'{EVERY}.{name}' to set them all"
                )
            full[found[0] if found else name] = value
    return full


def _named(name: str, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if path == name or path.endswith(f".{name}")]
