from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from flowzoo.component import Component, FilePlace
from flowzoo.registry.paths import path_options, with_absolute_paths


def build(
    *,
    folder: Path = Path("there"),
    maybe: Path | None = None,
    marked: Annotated[str | None, FilePlace(), Field(description="a folder")] = None,
    several: list[Path] | None = None,
    by_split: dict[str, Path] | None = None,
    title: str = "x",
    size: int = 3,
    free: Any = None,
) -> None:
    """Take paths in all the ways that an annotation can say."""


COMPONENT = Component("dataset", "here", f"{__name__}:build", "Something.")


@pytest.fixture(autouse=True)
def imported_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowzoo.registry.signature.import_builder", lambda component: build)


def test_paths_are_told_by_their_types() -> None:
    assert path_options(COMPONENT) == ["folder", "maybe", "marked", "several", "by_split"]


def test_paths_become_absolute_and_all_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    given = {
        "folder": Path("a"),
        "maybe": None,
        "marked": "~/b",
        "several": ["c", Path("/d")],
        "by_split": {"train": "../e"},
        "title": "a",
        "size": 4,
        "free": "a",
    }
    assert with_absolute_paths(COMPONENT, given) == given | {
        "folder": f"{tmp_path}/a",
        "marked": "/home/me/b",
        "several": [f"{tmp_path}/c", "/d"],
        "by_split": {"train": f"{tmp_path}/../e"},
    }


def test_links_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert with_absolute_paths(COMPONENT, {"folder": "link"}) == {"folder": f"{tmp_path}/link"}


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", ""])
def test_what_is_no_home_folder_is_no_error(text: str) -> None:
    assert str(with_absolute_paths(COMPONENT, {"folder": text})["folder"]).endswith(text)
