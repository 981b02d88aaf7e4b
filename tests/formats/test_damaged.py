"""A stored file that is too new, of no known version or damaged says so in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from flowzoo.bench.store import read_results
from flowzoo.errors import FlowzooError
from flowzoo.evaluation.report import read_evaluation
from flowzoo.formats import Format, FormatError
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.checkpoint import load_checkpoint

STORED = Path(__file__).parent / "stored"

FILES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "run.json": ("format", "experiment", lambda path: RunFolder(path.parent).read()),
    "config.json": ("format", "recipe", lambda path: load_model(path.parent)),
    "checkpoint.safetensors": ("format", "stage_step", load_checkpoint),
    "evaluation-test.json": ("schema", "images", read_evaluation),
    "result-schema-4.json": ("schema", "suite", read_results),
}
"""Each file, with the name of its version, a field that it must have, and its reader."""


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (found,) = (*STORED.glob(f"run-glow-record-2/**/{request.param}"), *STORED.glob(request.param))
    shutil.copytree(found.parent, tmp_path / "stored")
    return tmp_path / "stored" / found.name


def change(path: Path, changes: Mapping[str, Any], without: str = "") -> None:
    """Change fields of a record, which a checkpoint holds in its metadata."""
    if path.suffix == ".json":
        record = json.loads(path.read_text()) | changes
        record.pop(without, None)
        path.write_text(json.dumps(record))
        return
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["position"]) | changes
    record.pop(without, None)
    save_file(load_file(path), path, metadata={"position": json.dumps(record)})


def refused(path: Path) -> str:
    with pytest.raises(FlowzooError) as caught:
        FILES[path.name][2](path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_newer_version_asks_for_an_upgrade(path: Path) -> None:
    key = FILES[path.name][0]
    change(path, {key: 99})
    said = refused(path)
    assert f"{key} 99" in said
    assert "Upgrade flowzoo" in said


@pytest.mark.parametrize("version", [0, "4", None, True])
def test_an_unknown_version_is_named(path: Path, version: object) -> None:
    key = FILES[path.name][0]
    change(path, {key: version})
    assert f"{key} {version!r}" in refused(path)


def test_a_field_that_is_missing_is_named(path: Path) -> None:
    missing = FILES[path.name][1]
    change(path, {}, without=missing)
    assert f"{missing}: " in refused(path)


def test_a_file_that_was_cut_short_is_damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])
    refused(path)


def test_an_older_record_that_lacks_what_its_converter_needs_is_damaged() -> None:
    paint = Format("schema", 2, "Paint again", {1: lambda record: {"colour": record["color"]}})
    with pytest.raises(FormatError, match=r"schema 1 .*Paint again"):
        paint.read({"schema": 1}, TypeAdapter(dict[str, Any]))
    assert paint.read({"schema": 1, "color": "red"}, TypeAdapter(dict[str, Any]))["colour"] == "red"
