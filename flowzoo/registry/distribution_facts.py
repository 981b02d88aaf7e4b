"""What an installed distribution states about itself: its home page, its licence, and what it needs."""

from __future__ import annotations

import re
from importlib import metadata

_PAGES = ("homepage", "home-page", "source", "repository", "documentation")


def home_page(distribution: str) -> str:
    """Return the home page of a distribution; empty if it states none."""
    pages = {"home-page": "".join(_stated(distribution, "Home-page"))}
    for each in _stated(distribution, "Project-URL"):
        label, _, address = each.partition(",")
        pages[label.strip().lower()] = address.strip()
    return next((pages[name] for name in _PAGES if pages.get(name)), "")


def licence(distribution: str) -> str:
    """Return the licence of a distribution in one line; empty if it states none."""
    found = [*_stated(distribution, "License-Expression"), *_stated(distribution, "License"), ""]
    return found[0].strip().partition("\n")[0]


def missing_requirements(distribution: str) -> tuple[str, ...]:
    """Return what a distribution needs and is not installed, as ``pip install`` takes it.

    Requirements with a condition, such as those of an extra, are left out.
    """
    try:
        needed = metadata.requires(distribution) or []
    except Exception:  # metadata that are damaged, or not there
        return ()
    return tuple(each for each in needed if ";" not in each and not _is_installed(each))


def _is_installed(requirement: str) -> bool:
    name = re.match(r"[\w.-]+", requirement)
    if name is None:
        return True
    try:
        metadata.version(name.group())
    except metadata.PackageNotFoundError:
        return False
    except Exception:  # damaged, but there
        return True
    return True


def _stated(distribution: str, field: str) -> list[str]:
    """Return what a distribution's metadata state in a field."""
    try:
        return metadata.metadata(distribution).get_all(field) or []
    except Exception:  # metadata that are damaged, or not there
        return []
