from __future__ import annotations

import importlib
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from flowzoo.registry.loader import RESTRICTION, default_registry

Install = Callable[[Path], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that builds a folder's wheel and unpacks it where Python imports; no pip, no network.

    During the test the zoo consists of the built-in plugin and that one.
    """
    site = tmp_path / "site"
    site.mkdir()
    before = set(sys.modules)

    def refresh() -> None:
        for module in set(sys.modules) - before:
            if module.startswith("flowzoo_"):
                del sys.modules[module]
        importlib.invalidate_caches()
        default_registry.cache_clear()

    def install(folder: Path) -> Path:
        here = Path.cwd()
        os.chdir(folder)
        try:
            wheel = build_wheel(str(site))
        finally:
            os.chdir(here)
        with zipfile.ZipFile(site / wheel) as archive:
            archive.extractall(site)
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv(RESTRICTION, wheel.partition("-")[0])
        refresh()
        return site

    yield install
    refresh()
