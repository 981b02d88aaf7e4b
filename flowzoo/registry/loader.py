"""Loads plugins one by one, so that one that fails does not affect the others.

pluggy's own loader stops at the first plugin that raises, and a call to a hook stops at the first
implementation that raises. Here every plugin gets a manager of its own.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import time
from collections.abc import Iterable
from importlib import metadata

import pluggy

import flowzoo
from flowzoo import hooks
from flowzoo.errors import PluginError
from flowzoo.global_settings import torch_settings_kept
from flowzoo.registry.entry_points import Found, find_plugins
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin, PluginFailure, canonical, one_line
from flowzoo.registry.suite_files import suites_of
from flowzoo.registry.validation import Checked, check_components

BUILTIN = metadata.EntryPoint("builtin", "flowzoo.builtin", hooks.GROUP)
"""The built-in plugin. It is loaded first, through the same hook as any other."""

RESTRICTION = "FLOWZOO_PLUGINS"
"""Environment variable: the plugins to load, separated by commas; empty for the built-in one only."""


@functools.cache
def default_registry() -> Registry:
    """Return the registry of all installed plugins. It is loaded once; ``cache_clear()`` forgets it."""
    return load_registry()


def load_registry(strict: bool = False) -> Registry:
    """Load the built-in plugin and the installed ones.

    Args:
        strict: Raise for a plugin that fails, clashes or has a component that cannot be used, instead of
            recording it.

    Raises:
        PluginError: In strict mode, for the first of them.
    """
    installed, damaged = find_plugins()
    found = [_BUILTIN, *(each for each in installed if each.entry_point.value != BUILTIN.value)]
    restriction = os.environ.get(RESTRICTION)
    if restriction is None:
        return load_plugins(found, strict=strict, failures=damaged)
    wanted = [name.strip() for name in restriction.split(",") if name.strip()]
    asked_for = [each for each in found[1:] if any(_answers_to(each, name) for name in wanted)]
    left_out = [each.distribution for each in found[1:] if each not in asked_for]
    failures = [each for each in damaged if canonical(each.distribution) in map(canonical, wanted)]
    failures += [
        _unmatched(name, found)
        for name in wanted
        if not any(_answers_to(each, name) for each in found)
        and canonical(name) not in (canonical(each.distribution) for each in damaged)
    ]
    return load_plugins([_BUILTIN, *asked_for], strict=strict, failures=failures, left_out=left_out)


def load_plugins(
    found: Iterable[Found],
    *,
    strict: bool = False,
    failures: Iterable[PluginFailure] = (),
    left_out: Iterable[str] = (),
) -> Registry:
    """Load plugins, each separately.

    Args:
        found: The plugins.
        strict: Raise for a plugin that fails, clashes or has a component that cannot be used, instead of
            recording it.
        failures: Failures that are known before anything is loaded.
        left_out: Distributions whose plugins are not to be loaded.

    Raises:
        PluginError: In strict mode, for the first of them.
    """
    plugins: list[Plugin] = []
    failed = list(failures)
    for each in found:
        loaded = _load(each)
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


def _load(found: Found) -> Plugin | PluginFailure:
    name = found.entry_point.name
    had_torch = "torch" in sys.modules
    start = time.perf_counter()
    try:
        with torch_settings_kept():
            checked = _list_components(found.entry_point)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit in a plugin must not end the program either
        return PluginFailure(name, found.distribution, found.version, one_line(error))
    return Plugin(
        name=name,
        distribution=found.distribution,
        version=found.version,
        components=checked.components,
        seconds=time.perf_counter() - start,
        imported_torch=not had_torch and "torch" in sys.modules,
        module=found.entry_point.module,
        skipped=checked.skipped,
        core=found is _BUILTIN,
    )


def _list_components(entry_point: metadata.EntryPoint) -> Checked:
    """Import a plugin, check that it was written for this API, call its hook and check what it returns."""
    if not _ENTRY_POINT.fullmatch(entry_point.value):
        raise PluginError(
            f"its entry point is '{entry_point.value}', expected package.module; correct it in the plugin"
        )
    module = entry_point.load()
    _check_api_version(getattr(module, "flowzoo_api_version", None))
    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(hooks)
    manager.register(module, name=entry_point.name)
    manager.check_pending()
    if not manager.hook.flowzoo_components.get_hookimpls():
        raise PluginError("has no function flowzoo_components marked with @flowzoo.api.hookimpl; add it")
    return check_components(manager.hook.flowzoo_components(), suites_of(entry_point.module))


def _check_api_version(stated: object) -> None:
    major, minor = hooks.API_VERSION
    if stated is None:
        raise PluginError(
            f"does not state flowzoo_api_version; add flowzoo_api_version = {major} to the plugin"
        )
    needed = (stated, 0) if isinstance(stated, int) else stated
    if not isinstance(needed, tuple) or [type(each) for each in needed] != [int, int]:
        raise PluginError(
            f"flowzoo_api_version is {stated!r:.60}; write {major}, "
            f"or ({major}, {minor}) if the plugin needs what that version added"
        )
    asked = f"{needed[0]}.{needed[1]}"
    says = f"was written for version {asked} of flowzoo's API, and this flowzoo has {major}.{minor}"
    if needed > hooks.API_VERSION:
        raise PluginError(f"{says}. Upgrade flowzoo: pip install --upgrade flowzoo")
    if needed[0] < major:
        raise PluginError(f"{says}, which is not compatible. Install a newer version of the plugin")


def _answers_to(found: Found, name: str) -> bool:
    return canonical(name) in (canonical(found.entry_point.name), canonical(found.distribution))


def _unmatched(name: str, known: Iterable[Found]) -> PluginFailure:
    installed = ", ".join(each.entry_point.name for each in known)
    reason = f"{RESTRICTION} names it, but it is not installed; installed: {installed}"
    return PluginFailure(name, name, "", reason)


_BUILTIN = Found(BUILTIN, "flowzoo", flowzoo.__version__)

_ENTRY_POINT = re.compile(r"\w[\w.]*(\s*:\s*\w[\w.]*)?(\s*\[.*\])?\s*")
"""An entry point that importlib can load: a module or an attribute of it; extras may follow."""
