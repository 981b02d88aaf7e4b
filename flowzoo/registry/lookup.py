"""Looks components up by kind and name.

A name is bare, ``glow``, or qualified by the distribution that brings it, ``flowzoo-coupling/glow``. A bare
name means flowzoo's own component if there is one, otherwise the only one that a plugin brings.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple, Self

from flowzoo.component import KINDS, Component, Kind
from flowzoo.errors import PluginError, UnknownNameError, did_you_mean
from flowzoo.registry.fingerprint import fingerprint
from flowzoo.registry.plugin import Clash, Plugin, PluginFailure, canonical, qualified


class Claim(NamedTuple):
    """A component, and the plugin that brings it."""

    component: Component
    plugin: Plugin

    @property
    def address(self) -> str:
        """Its qualified name."""
        return qualified(self.plugin.distribution, self.component.name)


class Registry:
    """The components of all plugins that loaded. It does not change after it was made.

    Args:
        plugins: The plugins that loaded, in this order.
        failures: The plugins that did not load.
        left_out: Distributions whose plugins were not to be loaded.
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
        self._claims: dict[tuple[str, str], list[Claim]] = {}
        for plugin in self.plugins:
            for component in plugin.components:
                claims = self._claims.setdefault((component.kind, component.name), [])
                claims.append(Claim(component, plugin))
        self._fingerprints: dict[str, str] = {}
        self._owners: Mapping[str, str] = {}
        self._preferred: tuple[frozenset[str], ...] = ()

    @property
    def clashes(self) -> tuple[Clash, ...]:
        """Names that several plugins use. Names of flowzoo's own components keep their meaning."""
        found = []
        for key, claims in self._claims.items():
            if len(claims) > 1:
                others = tuple(each.plugin.distribution for each in claims if not each.plugin.core)
                found.append(Clash(*key, others, core=len(others) < len(claims)))
        return tuple(found)

    def seen_from(self, component: Component) -> Self:
        """Return this registry as the author of a component means it.

        A bare name that several plugins use means the one of the component's own distribution.
        """
        claim = self._claim_of(component)
        return self if claim is None else self._preferring([claim.plugin.distribution])

    def bound_to(self, owners: Mapping[str, str], distributions: Iterable[str] = ()) -> Self:
        """Return this registry as a record means it, even if more has been installed since.

        Args:
            owners: The distribution that brought a component, by ``kind:name``.
            distributions: The distributions of all components. A bare name that is not among the owners
                and that several plugins use means the only one of these.
        """
        view = self._preferring(distributions)
        view._owners = dict(owners)
        return view

    def find(self, kind: Kind, name: str) -> Component:
        """Return the component of this kind and name, bare or qualified.

        Raises:
            UnknownNameError: There is none. The message suggests the nearest name, and lists what failed to
                load.
            PluginError: Several plugins bring one, and the name is bare.
        """
        return self._look_up(kind, name).component

    def plugin_of(self, component: Component) -> Plugin:
        """Return the plugin that brings a component; errors as in :meth:`find`."""
        return (self._claim_of(component) or self._look_up(component.kind, component.name)).plugin

    def address(self, component: Component) -> str:
        """Return the name to store for a component: the bare one if it means this component."""
        claim = self._claim_of(component)
        if claim is None or self._bare(component.kind, component.name, ()) is claim:
            return component.name
        return claim.address

    def fingerprint(self, component: Component) -> str:
        """Return a digest of the files that compute a component, as they were when it was first asked for.

        All components of one package have one digest. It is empty if there are no files to read.
        """
        plugin = self.plugin_of(component)
        module = component.build.partition(":")[0]
        package = module.rpartition(".")[0] if plugin.core else module.partition(".")[0]
        if package == "flowzoo" and not plugin.core:  # a builder of flowzoo's, with the plugin's own defaults
            package = plugin.module.partition(".")[0]
        if package not in self._fingerprints:
            self._fingerprints[package] = fingerprint(package)
        return self._fingerprints[package]

    def names(self, kind: Kind, pattern: str = "*") -> list[str]:
        """Return the names of a kind that match, in natural order.

        Args:
            kind: One of :data:`flowzoo.component.KINDS`.
            pattern: Pattern with shell wildcards: ``"msflow-*"``, or ``"flowzoo-cnf/*"`` for qualified names.

        Raises:
            UnknownNameError: There is no such kind.
        """
        _require_kind(kind)
        of_kind = [name for of, name in self._claims if of == kind]
        if "/" not in pattern:
            matching = [each for each in of_kind if self._bare(kind, each) and fnmatchcase(each, pattern)]
        else:
            distribution, _, rest = pattern.partition("/")
            whole = f"{canonical(distribution)}/{rest}"
            matching = [
                self.address(claim.component)
                for name in of_kind
                for claim in self._claims[kind, name]
                if fnmatchcase(claim.address, whole)
            ]
        return sorted(matching, key=natural)

    def components(self, kind: Kind, pattern: str = "*") -> list[Component]:
        """Return the components whose :meth:`names` match, in the same order."""
        return [self.find(kind, name) for name in self.names(kind, pattern)]

    def kinds_of(self, name: str) -> list[Kind]:
        """Return the kinds in which a name, bare or qualified, exists."""
        return [kind for kind in KINDS if self._claims_on(kind, name)]

    def installed(self, distribution: str) -> Plugin | None:
        """Return a plugin of this distribution that loaded, or None."""
        wanted = canonical(distribution)
        return next((each for each in self.plugins if canonical(each.distribution) == wanted), None)

    def unknown(self, kind: Kind | None, name: str) -> UnknownNameError:
        """Return the error that says what to do about a name, or a pattern, that matches nothing.

        Args:
            kind: The requested kind; None for any.
            name: The requested name or pattern.
        """
        kinds = [kind] if kind else list(KINDS)
        known = sorted({each for of in kinds for each in self.names(of)}, key=natural)
        alike = known
        if "/" in name:
            alike = [
                each.address for (of, _), claims in self._claims.items() if of in kinds for each in claims
            ]
        advice = did_you_mean(name.lower(), alike) or (";" if kind else ".")
        message = f"no {kind or 'component'} '{name}'{advice}"
        elsewhere = [f"'{name}' is a {other}" for other in self.kinds_of(name)]
        if elsewhere:
            message += f" {', '.join(elsewhere)}."
        # Names of all kinds are too many for a line.
        message += f" installed: {', '.join(known) or 'none'}" if kind else " flowzoo list shows all names"
        if self.failures:
            failed = (f"{each.distribution} ({each.reason})" for each in self.failures)
            message += f". failed to load: {', '.join(failed)}"
        skipped = [f"{each.distribution} ({reason})" for each in self.plugins for reason in each.skipped]
        if skipped:
            message += f". components that cannot be used: {', '.join(skipped)}"
        if self.left_out:
            message += f". left out by FLOWZOO_PLUGINS: {', '.join(self.left_out)}"
        return UnknownNameError(message)

    def _look_up(self, kind: Kind, name: str) -> Claim:
        _require_kind(kind)
        if not isinstance(name, str):
            raise UnknownNameError(f"the name of a {kind} is text, got {name!r:.60}")
        owner = self._owners.get(f"{kind}:{name}")
        if owner is not None and "/" not in name:
            name = qualified(owner, name)
        claims = self._claims_on(kind, name)
        if not claims:
            raise self.unknown(kind, name)
        found = claims[0] if len(claims) == 1 else None if "/" in name else self._bare(kind, name)
        if found is None:
            bare = name.rpartition("/")[2]
            raise PluginError(str(Clash(kind, bare, tuple(each.plugin.distribution for each in claims))))
        return found

    def _claims_on(self, kind: str, name: str) -> list[Claim]:
        """Return all components that a name may mean."""
        distribution, slash, bare = name.rpartition("/")
        claims = self._claims.get((kind, bare), [])
        if not slash:
            return claims
        return [each for each in claims if canonical(each.plugin.distribution) == canonical(distribution)]

    def _bare(
        self, kind: str, name: str, preferred: tuple[frozenset[str], ...] | None = None
    ) -> Claim | None:
        """Return the component that a bare name means; None if there is not exactly one."""
        claims = self._claims.get((kind, name), [])
        core = [each for each in claims if each.plugin.core]
        if core or len(claims) == 1:
            return (core or claims)[0]
        for distributions in self._preferred if preferred is None else preferred:
            near = [each for each in claims if canonical(each.plugin.distribution) in distributions]
            if len(near) == 1:
                return near[0]
        return None

    def _claim_of(self, component: Component) -> Claim | None:
        claims = self._claims.get((component.kind, component.name), [])
        return next((each for each in claims if each.component is component), None)

    def _preferring(self, distributions: Iterable[str]) -> Self:
        view = copy.copy(self)
        view._preferred = (frozenset(map(canonical, distributions)), *self._preferred)
        return view


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
