"""What the tests share."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest

from flowzoo.registry.loader import RESTRICTION, default_registry

InstallPlugin = Callable[..., None]


@pytest.fixture
def as_users_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the run-time type checks off, so that wrong types get as far as the checks that users see."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """Return ``install_plugin(distribution, source, version="1.0")``, which installs a module as a plugin.

    During the test the zoo consists of the built-in plugin and those installed so.
    """
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    installed: dict[str, str] = {}

    def refresh() -> None:
        for module in installed.values():
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        default_registry.cache_clear()

    def install(distribution: str, source: str, version: str = "1.0") -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(
            f"[flowzoo]\n{distribution.removeprefix('flowzoo-')} = {module}\n"
        )
        installed[distribution] = module
        monkeypatch.setenv(RESTRICTION, ",".join(installed))
        refresh()

    monkeypatch.setenv(RESTRICTION, "")
    refresh()
    yield install
    refresh()
