"""Looks components up by kind and name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from flowzoo.component import KINDS, Component, Kind
from flowzoo.errors import PluginError, UnknownNameError, did_you_mean
from flowzoo.registry.plugin import Clash, Plugin, PluginFailure, canonical


class Registry:
    """The components of all plugins that loaded. It does not change once built.

    Args:
        plugins: Those that loaded, in the order in which they did.
        failures: Those that did not.
        left_out: Distributions whose plugins were not asked for.
    """

    def __init__(
        self,
        plugins: Iterable[Plugin],
        failures: Iterable[PluginFailure] = (),
        left_out: Iterable[str] = (),
    ) -> None:
        self.plugins = tuple(plugins)
        self.failures = tuple(failures)
        self.left_out = tuple(left_out)
        claims: dict[tuple[str, str], list[tuple[Component, Plugin]]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                claims.setdefault((component.kind, component.name), []).append((component, plugin))
        self._found = {key: owners[0] for key, owners in claims.items() if len(owners) == 1}
        self._clashes = {
            key: Clash(*key, tuple(plugin.distribution for _, plugin in owners))
            for key, owners in claims.items()
            if len(owners) > 1
        }

    @property
    def clashes(self) -> tuple[Clash, ...]:
        """Names that several plugins claim; nobody gets them until the user uninstalls all but one."""
        return tuple(self._clashes.values())

    def find(self, kind: Kind, name: str) -> Component:
        """Return the component of this kind and name.

        Raises:
            UnknownNameError: There is none; the message names the nearest, and what failed to load.
            PluginError: Several plugins bring one.
        """
        return self._look_up(kind, name)[0]

    def plugin_of(self, component: Component) -> Plugin:
        """Return the plugin that brings a component; errors as in :meth:`find`."""
        return self._look_up(component.kind, component.name)[1]

    def names(self, kind: Kind, pattern: str = "*") -> list[str]:
        """Return the names of a kind that match, in natural order.

        Args:
            kind: One of :data:`flowzoo.component.KINDS`.
            pattern: With shell wildcards: ``"msflow-*"``.

        Raises:
            UnknownNameError: There is no such kind.
        """
        _require_kind(kind)
        matching = [name for of, name in self._found if of == kind and fnmatchcase(name, pattern)]
        return sorted(matching, key=natural)

    def components(self, kind: Kind, pattern: str = "*") -> list[Component]:
        """Return the components whose :meth:`names` match, in the same order."""
        return [self.find(kind, name) for name in self.names(kind, pattern)]

    def kinds_of(self, name: str) -> list[Kind]:
        """Return the kinds in which a name exists."""
        return [kind for kind in KINDS if (kind, name) in self._found or (kind, name) in self._clashes]

    def installed(self, distribution: str) -> Plugin | None:
        """Return a plugin of this distribution that loaded, or None."""
        wanted = canonical(distribution)
        return next((each for each in self.plugins if canonical(each.distribution) == wanted), None)

    def unknown(self, kind: Kind | None, name: str) -> UnknownNameError:
        """Return the error that says what to do about a name, or a pattern, that matches nothing.

        Args:
            kind: The kind that was asked for; None for any.
            name: What was asked for.
        """
        of_kind = self.names(kind) if kind else {each for of in KINDS for each in self.names(of)}
        known = sorted(of_kind, key=natural)
        message = f"no {kind or 'component'} '{name}'{did_you_mean(name.lower(), known) or ';'}"
        elsewhere = [f"'{name}' is a {other}" for other in self.kinds_of(name)]
        if elsewhere:
            message += f" {', '.join(elsewhere)}."
        message += f" installed: {', '.join(known) or 'none'}"
        if self.failures:
            failed = (f"{each.distribution} ({each.reason})" for each in self.failures)
            message += f". failed to load: {', '.join(failed)}"
        if self.left_out:
            message += f". left out by FLOWZOO_PLUGINS: {', '.join(self.left_out)}"
        return UnknownNameError(message)

    def _look_up(self, kind: Kind, name: str) -> tuple[Component, Plugin]:
        _require_kind(kind)
        if not isinstance(name, str):
            raise UnknownNameError(f"the name of a {kind} is text, got {name!r:.60}")
        clash = self._clashes.get((kind, name))
        if clash is not None:
            raise PluginError(str(clash))
        found = self._found.get((kind, name))
        if found is None:
            raise self.unknown(kind, name)
        return found


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers inside names by their value.

    >>> sorted(["msflow-10", "msflow-2"], key=natural)
    ['msflow-2', 'msflow-10']
    """
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _require_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownNameError(
            f"no kind '{kind}'{did_you_mean(kind, KINDS) or ';'} kinds: {', '.join(KINDS)}"
        )
