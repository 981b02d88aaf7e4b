"""Names of new plugins, and which of them are refused."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass

from flowzoo.component import KINDS, Kind
from flowzoo.errors import OptionError, did_you_mean
from flowzoo.registry.entry_points import find_plugins
from flowzoo.registry.loader import default_registry
from flowzoo.registry.plugin import canonical

PREFIX = "flowzoo-"


@dataclass(frozen=True)
class Names:
    """The names in a plugin.

    Attributes:
        component: The name of its components.
        distribution: What ``pip install`` takes.
        package: What Python imports.
    """

    component: str
    distribution: str
    package: str


def names_of(name: str) -> Names:
    """Return the names of a plugin, given its name with or without ``flowzoo-``.

    >>> names_of("my-flow")
    Names(component='my-flow', distribution='flowzoo-my-flow', package='flowzoo_my_flow')

    Raises:
        OptionError: It is not a name.
    """
    component = name.removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", component):
        raise OptionError(
            f"'{name}' cannot be the name of a plugin. Use lower-case letters and digits, separated by "
            "single hyphens, beginning with a letter, for example my-flow"
        )
    distribution = PREFIX + component
    return Names(component, distribution, distribution.replace("-", "_"))


def check_kinds(kinds: Iterable[str]) -> tuple[Kind, ...]:
    """Return the kinds, each once and in the order of the list of all kinds.

    Raises:
        OptionError: There is no such kind.
    """
    wanted = list(kinds)
    for each in wanted:
        if each not in KINDS:
            hint = did_you_mean(each, KINDS) or ";"
            raise OptionError(f"no kind '{each}'{hint} kinds: {', '.join(KINDS)}")
    return tuple(each for each in KINDS if each in wanted)


def check_free(names: Names, kinds: Iterable[Kind]) -> None:
    """Refuse names that are taken.

    Raises:
        OptionError: A distribution, a package or a component of this name is installed.
    """
    other = "Choose another name"
    registry = default_registry()
    installed, damaged = find_plugins()
    taken = [*(each.distribution for each in installed), *(each.distribution for each in damaged)]
    if names.distribution in map(canonical, taken):
        raise OptionError(f"the plugin '{names.distribution}' is installed already. {other}, or uninstall it")
    if importlib.util.find_spec(names.package) is not None:
        raise OptionError(f"a Python package '{names.package}' is installed already. {other}")
    for kind in kinds:
        if kind in registry.kinds_of(names.component):
            raise OptionError(f"there is a {kind} '{names.component}' already. {other}")
