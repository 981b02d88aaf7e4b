"""Finds installed plugins, distribution by distribution, so that a damaged one harms no other.

``importlib.metadata.entry_points`` reads the files of all distributions at once, and one file that was cut
short or edited by hand ends it with an error that names no distribution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from flowzoo import hooks
from flowzoo.registry.plugin import PluginFailure, canonical, one_line

_FILE = "entry_points.txt"


@dataclass(frozen=True)
class Found:
    """A plugin that is installed.

    Attributes:
        entry_point: Its entry point.
        distribution: The distribution that brings it.
        version: The distribution's version, "?" if it states none.
    """

    entry_point: metadata.EntryPoint
    distribution: str
    version: str


def find_plugins() -> tuple[list[Found], list[PluginFailure]]:
    """Return the installed plugins, and the distributions whose entry points cannot be read.

    If a distribution is installed twice, the one that Python imports counts.
    """
    found: list[Found] = []
    damaged: list[PluginFailure] = []
    seen: set[str] = set()
    for distribution in _distributions(damaged):
        # The folder's name is known already; the stated name would need reading and parsing a file.
        known_as = canonical(_folder_name(distribution) or _stated(distribution, "name"))
        if known_as and known_as in seen:
            continue
        seen.add(known_as)
        try:
            entry_points = list(distribution.entry_points.select(group=hooks.GROUP))
            _refuse_unreadable(distribution)
        except Exception as error:  # any fault in a file that is not ours
            damaged.append(_damaged(distribution, known_as or "a distribution without a name", error))
            continue
        found += [
            Found(
                each,
                # An installation that was cut short may lack its metadata.
                _stated(distribution, "name") or each.name,
                _stated(distribution, "version") or "?",
            )
            for each in entry_points
        ]
    return found, damaged


def _damaged(distribution: metadata.Distribution, known_as: str, error: Exception) -> PluginFailure:
    name = _stated(distribution, "name") or known_as
    if isinstance(error, UnicodeDecodeError):
        why = "it is not UTF-8 text"
    elif isinstance(error, OSError):
        why = error.strerror or str(error)
    else:
        why = "a line is not 'name = value'"
    reason = f"its {_FILE} cannot be read: {why}; install {name} again, or remove it"
    return PluginFailure(name, name, _stated(distribution, "version") or "?", reason)


def _distributions(damaged: list[PluginFailure]) -> Iterator[metadata.Distribution]:
    """Yield the installed distributions, as far as they can be listed."""
    try:
        yield from metadata.distributions()
    except Exception as error:  # raised by a finder that some package has added
        reason = f"the installed packages cannot all be listed ({one_line(error)})"
        damaged.append(PluginFailure("installed packages", "installed packages", "?", reason))


def _stated(distribution: metadata.Distribution, what: str) -> str:
    """Return a value of a distribution's metadata; empty if they are missing or damaged."""
    try:
        return str(getattr(distribution, what) or "")
    except Exception:  # metadata that are no text, or that are not there
        return ""


def _metadata_folder(distribution: metadata.Distribution) -> Any:
    # There is no public attribute; distributions of other finders may have none.
    return getattr(distribution, "_path", None)


def _folder_name(distribution: metadata.Distribution) -> str:
    """Return the name that a distribution's folder of metadata begins with."""
    folder = _metadata_folder(distribution)
    return "" if folder is None else Path(str(folder)).name.partition("-")[0].removesuffix(".egg")


def _refuse_unreadable(distribution: metadata.Distribution) -> None:
    """Refuse a file that exists although importlib reports it as missing."""
    folder = _metadata_folder(distribution)
    if folder is not None and distribution.read_text(_FILE) is None and (folder / _FILE).exists():
        (folder / _FILE).read_text(encoding="utf-8")
