"""A digest of code changes with the code, and with nothing else."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from flowzoo.registry.fingerprint import fingerprint
from flowzoo.registry.loader import load_registry


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "fingerprinted"
    (folder / "sub").mkdir(parents=True)
    for name in ("__init__.py", "model.py", "sub/__init__.py", "sub/net.py"):
        (folder / name).write_text(f"NAME = {name!r}\n")
    (tmp_path / "single_fingerprinted.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


@pytest.mark.parametrize("name", ["__init__.py", "model.py", "sub/__init__.py", "sub/net.py"])
def test_any_file_of_code_counts(package: Path, name: str) -> None:
    before = fingerprint("fingerprinted")
    assert len(before) == 16
    (package / name).write_text("NAME = 'other'\n")
    assert fingerprint("fingerprinted") != before


def test_a_file_that_is_moved_counts_and_what_is_no_code_does_not(package: Path) -> None:
    before = fingerprint("fingerprinted")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")
    (package / "notes.txt").write_text("x")
    assert fingerprint("fingerprinted") == before
    (package / "model.py").rename(package / "models.py")
    assert fingerprint("fingerprinted") != before


def test_a_package_below_another_counts_alone(package: Path) -> None:
    before = fingerprint("fingerprinted.sub")
    (package / "model.py").write_text("NAME = 'other'\n")
    assert fingerprint("fingerprinted.sub") == before
    (package / "sub" / "net.py").write_text("NAME = 'other'\n")
    assert fingerprint("fingerprinted.sub") != before


def test_a_module_is_its_file(package: Path) -> None:
    before = fingerprint("single_fingerprinted")
    (package.parent / "single_fingerprinted.py").write_text("A = 2\n")
    assert fingerprint("single_fingerprinted") != before


@pytest.mark.parametrize("name", ["no_such_package_at_all", "no_such.package", "sys", ""])
def test_what_has_no_files_has_none(name: str) -> None:
    assert fingerprint(name) == ""


def test_a_plugins_component_that_flowzoo_builds_has_the_plugins_digest() -> None:
    registry = load_registry()
    model = registry.find("model", "mrcnf")
    assert model.build.startswith("flowzoo.api:")
    assert registry.fingerprint(model) == fingerprint("flowzoo_mrcnf")
