"""The directory of plugins that can be installed: ``directory.yaml`` beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowzoo.errors import UnknownNameError, did_you_mean
from flowzoo.registry.plugin import canonical
from flowzoo.yaml_text import read_yaml

FILE = Path(__file__).with_name("directory.yaml")


@dataclass(frozen=True)
class Listed:
    """A plugin that can be installed.

    Attributes:
        name: The distribution's name.
        summary: One line about it.
        kinds: The kinds of its components.
        home: Its home page.
        pip: What ``pip install`` gets.
    """

    name: str
    summary: str
    kinds: tuple[str, ...]
    home: str
    pip: str


def read_directory() -> tuple[Listed, ...]:
    """Return the plugins of the directory."""
    return tuple(Listed(**{**each, "kinds": tuple(each["kinds"])}) for each in read_yaml(FILE))


def find_listed(name: str) -> Listed:
    """Return a plugin of the directory, by its name with or without ``flowzoo-``.

    Raises:
        UnknownNameError: The directory does not have it.
    """
    listed = {each.name: each for each in read_directory()}
    wanted = canonical(name)
    found = listed.get(wanted) or listed.get(f"flowzoo-{wanted}")
    if found is None:
        known = [*listed, *(each.removeprefix("flowzoo-") for each in listed)]
        raise UnknownNameError(
            f"the directory of plugins has no '{name}'{did_you_mean(wanted, known) or '.'} "
            "See: flowzoo plugins --available. Others are installed by pip itself"
        )
    return found
