"""Damaged metadata of packages that have nothing to do with flowzoo."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.registry.loader import RESTRICTION, default_registry, load_registry

METADATA = b"Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n"
GOOD = """
    from flowzoo.api import Component, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [Component("transform", "good", "nowhere:build", "A transform.")]
"""

Damage = Callable[[Path], object]


def entry_points(content: bytes) -> Damage:
    return lambda info: (info / "entry_points.txt").write_bytes(content)


NAMED: dict[str, tuple[Damage, str]] = {
    "cut short": (entry_points(b"[console_scripts]\nfor"), "a line is not 'name = value'"),
    "cut short in our group": (entry_points(b"[flowzoo]\ngo"), "a line is not 'name = value'"),
    "no text": (entry_points(b"[flowzoo]\nx = \xff\xfe\n"), "it is not UTF-8 text"),
    "utf-16": (entry_points("[flowzoo]\nx = a\n".encode("utf-16")), "it is not UTF-8 text"),
    "a folder": (lambda info: (info / "entry_points.txt").mkdir(), "Is a directory"),
    "no module": (entry_points(b"[flowzoo]\nx = a b!\n"), "its entry point is 'a b!'"),
    "missing module": (entry_points(b"[flowzoo]\nx = no_such_module_here\n"), "ModuleNotFoundError"),
    "a group twice": (entry_points(b"[flowzoo]\nx = no_such_a\n[flowzoo]\ny = no_such_b\n"), "no_such_a"),
}
HARMLESS: dict[str, Damage] = {
    "no section": entry_points(b"x = a\n"),
    "empty": entry_points(b""),
    "comments": entry_points(b"# nothing\n\n[console_scripts]\n"),
    "dangling link": lambda info: (info / "entry_points.txt").symlink_to("/nowhere/entry_points.txt"),
    "no metadata": lambda info: (info / "METADATA").unlink(),
    "no name": lambda info: (info / "METADATA").write_bytes(b"Version: 1\n"),
    "metadata that are no text": lambda info: (info / "METADATA").write_bytes(b"Name: \xff\n"),
    "dangling folder": lambda info: info.with_name("lost-1.0.dist-info").symlink_to("/nowhere/lost"),
    "egg-link": lambda info: info.with_name("lost.egg-link").write_text("/nowhere\n.\n"),
    "broken path file": lambda info: info.with_name("lost.pth").write_bytes(b"\xff\n/nowhere\n"),
}


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install_plugin: Callable[..., None]) -> Path:
    """Return the metadata folder of a package that is installed beside a good plugin."""
    install_plugin("flowzoo-good", GOOD)
    info = tmp_path / "site-packages" / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_bytes(METADATA)
    monkeypatch.delenv(RESTRICTION)
    return info


def refresh() -> None:
    importlib.invalidate_caches()
    default_registry.cache_clear()


@pytest.mark.parametrize(("damage", "why"), NAMED.values(), ids=NAMED)
def test_a_damaged_package_is_named_and_harms_nobody(foreign: Path, damage: Damage, why: str) -> None:
    damage(foreign)
    refresh()
    registry = load_registry()
    assert {"builtin", "good"} <= {each.name for each in registry.plugins}
    failure = registry.failures[0]
    assert (failure.distribution, failure.version) == ("foreign", "1.0")
    assert why in failure.reason
    assert "\n" not in failure.reason
    listing = CliRunner().invoke(app, ["list", "good", "--json"])
    assert listing.exit_code == 0
    assert [each["name"] for each in json.loads(listing.stdout)] == ["good"]
    assert "foreign" in listing.stderr


@pytest.mark.parametrize("damage", HARMLESS.values(), ids=HARMLESS)
def test_what_hides_no_plugin_is_passed_over(foreign: Path, damage: Damage) -> None:
    damage(foreign)
    refresh()
    registry = load_registry()
    assert registry.failures == ()
    assert {"builtin", "good"} <= {each.name for each in registry.plugins}


@pytest.mark.parametrize("content", [b"Version: 1\n", b"Name: \xff\n", None])
def test_a_package_that_does_not_tell_its_name_goes_by_its_folder(
    foreign: Path, content: bytes | None
) -> None:
    (foreign / "METADATA").unlink() if content is None else (foreign / "METADATA").write_bytes(content)
    (foreign / "entry_points.txt").write_bytes(b"[flowzoo]\nx\n")
    refresh()
    (failure,) = load_registry().failures
    assert failure.distribution == "foreign"


def test_a_restriction_passes_over_damage_that_nobody_asked_for(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (foreign / "entry_points.txt").write_bytes(b"[flowzoo]\nx\n")
    refresh()
    monkeypatch.setenv(RESTRICTION, "good")
    assert load_registry().failures == ()
    monkeypatch.setenv(RESTRICTION, "good,foreign")
    (failure,) = load_registry().failures
    assert "a line is not" in failure.reason


def test_a_finder_that_raises_ends_nothing(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError("no index")

    monkeypatch.setattr("flowzoo.registry.entry_points.metadata.distributions", broken)
    registry = load_registry()
    assert [each.name for each in registry.plugins] == ["builtin"]
    assert "no index" in registry.failures[0].reason
