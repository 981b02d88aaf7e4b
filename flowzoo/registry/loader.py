"""Loads plugins one by one, so that one that fails harms nothing else.

pluggy's own loader stops at the first plugin that raises, and a call to a hook stops at the first
implementation that raises. Here every plugin gets a manager of its own.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterable
from importlib import metadata

import pluggy

import flowzoo
from flowzoo import hooks
from flowzoo.errors import PluginError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin, PluginFailure, canonical, one_line
from flowzoo.registry.validation import Checked, check_components

BUILTIN = metadata.EntryPoint("builtin", "flowzoo.builtin", hooks.GROUP)
"""The built-in plugin; it comes first, and through the same hook as any other."""

RESTRICTION = "FLOWZOO_PLUGINS"
"""Environment variable: which plugins to load, comma-separated; empty for none but the built-in one."""


@functools.cache
def default_registry() -> Registry:
    """Return the registry of what is installed, loaded once; its ``cache_clear()`` forgets it."""
    return load_registry()


def load_registry(strict: bool = False) -> Registry:
    """Load the built-in plugin and the installed ones.

    Args:
        strict: Raise for a plugin that fails, clashes or has a component that cannot be used, instead of
            recording it.

    Raises:
        PluginError: In strict mode, for the first of them.
    """
    entry_points = [each for each in metadata.entry_points(group=hooks.GROUP) if each.value != BUILTIN.value]
    restriction = os.environ.get(RESTRICTION)
    if restriction is None:
        return load_plugins([BUILTIN, *entry_points], strict=strict)
    wanted = [name.strip() for name in restriction.split(",") if name.strip()]
    asked_for = [each for each in entry_points if any(_answers_to(each, name) for name in wanted)]
    left_out = [distribution_name(each) for each in entry_points if each not in asked_for]
    known = [BUILTIN, *entry_points]
    unmatched = [_unmatched(name, known) for name in wanted if not any(_answers_to(e, name) for e in known)]
    return load_plugins([BUILTIN, *asked_for], strict=strict, failures=unmatched, left_out=left_out)


def load_plugins(
    entry_points: Iterable[metadata.EntryPoint],
    *,
    strict: bool = False,
    failures: Iterable[PluginFailure] = (),
    left_out: Iterable[str] = (),
) -> Registry:
    """Load plugins from entry points, each alone.

    Args:
        entry_points: One a plugin.
        strict: Raise for a plugin that fails, clashes or has a component that cannot be used, instead of
            recording it.
        failures: Those known before anything is loaded.
        left_out: Distributions whose plugins are not asked for.

    Raises:
        PluginError: In strict mode, for the first of them.
    """
    plugins: list[Plugin] = []
    failed = list(failures)
    for entry_point in entry_points:
        loaded = _load(entry_point)
        plugins.append(loaded) if isinstance(loaded, Plugin) else failed.append(loaded)
    registry = Registry(plugins, failed, left_out)
    if strict and failed:
        raise PluginError(f"plugin '{failed[0].name}' of {failed[0].distribution}: {failed[0].reason}")
    for plugin in plugins if strict else ():
        for reason in plugin.skipped:
            raise PluginError(f"plugin '{plugin.name}' of {plugin.distribution}: {reason}")
    if strict and registry.clashes:
        raise PluginError(str(registry.clashes[0]))
    return registry


def distribution_name(entry_point: metadata.EntryPoint) -> str:
    """Return the name of the distribution that brings an entry point."""
    if entry_point.dist is None:
        return "flowzoo"
    # An installation that was cut short may lack its metadata.
    return entry_point.dist.name or entry_point.name


def _load(entry_point: metadata.EntryPoint) -> Plugin | PluginFailure:
    distribution = distribution_name(entry_point)
    version = flowzoo.__version__ if entry_point.dist is None else entry_point.dist.version or "?"
    had_torch = "torch" in sys.modules
    start = time.perf_counter()
    try:
        found = _list_components(entry_point)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit in a plugin must not end the program either
        return PluginFailure(entry_point.name, distribution, version, one_line(error))
    return Plugin(
        name=entry_point.name,
        distribution=distribution,
        version=version,
        components=found.components,
        seconds=time.perf_counter() - start,
        imported_torch=not had_torch and "torch" in sys.modules,
        skipped=found.skipped,
        core=entry_point.dist is None and entry_point.value == BUILTIN.value,
    )


def _list_components(entry_point: metadata.EntryPoint) -> Checked:
    """Import a plugin, check that it was written for this API, call its hook and check what it returns."""
    module = entry_point.load()
    _check_api_version(getattr(module, "flowzoo_api_version", None))
    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(hooks)
    manager.register(module, name=entry_point.name)
    manager.check_pending()
    if not manager.hook.flowzoo_components.get_hookimpls():
        raise PluginError("has no function flowzoo_components marked with @flowzoo.api.hookimpl; add it")
    return check_components(manager.hook.flowzoo_components())


def _check_api_version(stated: object) -> None:
    if stated is None:
        raise PluginError(
            f"does not state flowzoo_api_version; add flowzoo_api_version = {hooks.API_VERSION} to the plugin"
        )
    if stated != hooks.API_VERSION:
        raise PluginError(
            f"was written for version {stated!r} of flowzoo's API, and this flowzoo has {hooks.API_VERSION}; "
            "install matching versions of the two"
        )


def _answers_to(entry_point: metadata.EntryPoint, name: str) -> bool:
    return canonical(name) in (canonical(entry_point.name), canonical(distribution_name(entry_point)))


def _unmatched(name: str, known: Iterable[metadata.EntryPoint]) -> PluginFailure:
    installed = ", ".join(each.name for each in known)
    reason = f"{RESTRICTION} names it, but it is not installed; installed: {installed}"
    return PluginFailure(name, name, "", reason)
