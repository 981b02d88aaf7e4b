"""The records of plugins that loaded, and of those that did not."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from flowzoo.component import Component
from flowzoo.errors import PluginError


@dataclass(frozen=True)
class Plugin:
    """A plugin that loaded.

    Attributes:
        name: Name of the entry point.
        distribution: The distribution that brings it: what ``pip install`` takes.
        version: The distribution's version.
        components: The components that it registers.
        seconds: Time that it took to load and list.
        imported_torch: Whether listing its components imported torch, which makes every command slow.
        module: The module that its entry point names.
        skipped: The error of each component that cannot be used, in one line.
        core: Whether it is flowzoo's own, whose names no other plugin can use.
    """

    name: str
    distribution: str
    version: str
    components: tuple[Component, ...]
    seconds: float
    imported_torch: bool
    module: str = ""
    skipped: tuple[str, ...] = ()
    core: bool = False


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that did not load.

    Attributes:
        name: Name of the entry point.
        distribution: The distribution that brings it.
        version: The distribution's version.
        reason: Why it failed, in one line.
    """

    name: str
    distribution: str
    version: str
    reason: str


@dataclass(frozen=True)
class Clash:
    """Components of the same kind and name, brought by several plugins; qualified names tell them apart.

    Attributes:
        kind: Their kind.
        name: Their name.
        distributions: The distributions whose component is not found under the bare name.
        core: Whether flowzoo itself has a component of this name, which the bare name means.
    """

    kind: str
    name: str
    distributions: tuple[str, ...]
    core: bool = False

    def __str__(self) -> str:
        owners = " and ".join(self.distributions)
        what = f"{self.kind} '{self.name}'"
        addresses = [qualified(each, self.name) for each in self.distributions]
        twice = next((each for each in addresses if addresses.count(each) > 1), None)
        if twice is not None:
            owner = twice.partition("/")[0]
            return f"{what} is registered more than once by {owner}; the plugin must give one another name"
        use = " or ".join(addresses)
        if self.core:
            return f"{what} of {owners} has a name of flowzoo's own, which keeps it; use {use}"
        return f"{what} is brought by {owners}; use {use}, or uninstall all but one of them"


def qualified(distribution: str, name: str) -> str:
    """Return the name of a distribution's component that no other distribution can have.

    >>> qualified("Flowzoo_Mine", "glow")
    'flowzoo-mine/glow'
    """
    return f"{canonical(distribution)}/{name}"


def canonical(name: str) -> str:
    """Return a distribution's name in the form in which pip compares names.

    >>> canonical("Flowzoo_MRCNF")
    'flowzoo-mrcnf'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def one_line(error: BaseException) -> str:
    """Return an error's type and message in one line; only the message for flowzoo's own errors.

    >>> one_line(KeyError("lost"))
    "KeyError: 'lost'"
    """
    message = textwrap.shorten(str(error), 300)
    if isinstance(error, PluginError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
