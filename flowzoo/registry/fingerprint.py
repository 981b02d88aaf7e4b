"""A digest of a package's code, which shows changes without a new version or revision."""

from __future__ import annotations

import hashlib
import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec
from pathlib import Path

_CODE = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


def fingerprint(package: str) -> str:
    """Return a digest of the code of a package or module, its subpackages included.

    If a name's first part is a namespace of several distributions, all of it counts.

    Args:
        package: Dotted name. If the package is not imported yet, only its parents are imported.

    Returns:
        16 hexadecimal digits; empty if the code is not in readable files.
    """
    try:
        spec = importlib.util.find_spec(package)
        files = [] if spec is None else sorted(_files(spec))
        digest = hashlib.sha256()
        for name, path in files:
            digest.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    except (ImportError, OSError, ValueError):
        return ""
    return digest.hexdigest()[:16] if files else ""


def _files(spec: ModuleSpec) -> list[tuple[str, Path]]:
    """Return the files of a package by their places in it, or the one file of a module."""
    folders = [Path(each) for each in spec.submodule_search_locations or ()]
    if folders:
        return [
            (path.relative_to(folder).as_posix(), path)
            for folder in folders
            for path in folder.rglob("*")
            if path.name.endswith(_CODE) and path.is_file()
        ]
    return [(Path(spec.origin).name, Path(spec.origin))] if spec.origin and spec.has_location else []
