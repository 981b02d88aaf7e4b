"""The examples in the documentation run as they stand."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flowzoo.bench.cell import cells_of
from flowzoo.bench.suite import read_suite
from flowzoo.data.load import load_dataset
from flowzoo.metric import Trained
from flowzoo.registry.loader import RESTRICTION, default_registry
from flowzoo.registry.models import create_model
from flowzoo.testing import check_component

ROOT = Path(__file__).parents[1]


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def documented_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the plugin that ``docs/writing-a-plugin.md`` spells out."""
    plugin, tilt, _ = code_blocks("docs/writing-a-plugin.md", "python")
    package = tmp_path / "flowzoo_mine"
    package.mkdir()
    for name, text in (("__init__", ""), ("plugin", plugin), ("tilt", tilt)):
        (package / f"{name}.py").write_text(text)
    info = tmp_path / "flowzoo_mine-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-mine\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nmine = flowzoo_mine.plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(RESTRICTION, "mine")
    importlib.invalidate_caches()
    default_registry.cache_clear()
    yield
    default_registry.cache_clear()
    for name in [name for name in sys.modules if name.startswith("flowzoo_mine")]:
        del sys.modules[name]


@pytest.mark.parametrize(("kind", "name"), [("bijector", "tilt"), ("model", "tilted")])
def test_the_plugin_of_the_tutorial_passes_the_kit(documented_plugin: None, kind: str, name: str) -> None:
    failed = [result for result in check_component(kind, name) if not result.passed]  # type: ignore[arg-type]
    assert not failed


TUTORIALS = ["docs/tutorials/own-pictures.md", "docs/tutorials/flow-matching.md"]
SHORTER = {"steps=200": "steps=3", 'DataLoader(data["train"]': 'DataLoader(data["validation"]'}
"""What makes the examples of training take seconds in the tests."""


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/python.md", *TUTORIALS])
def test_the_python_of_the_pages_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(page, "python")
    assert blocks
    for code in blocks:
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            exec(code, {})
    assert page.endswith("flow-matching.md") or list(tmp_path.rglob("model.safetensors"))


def test_the_python_about_latents_runs() -> None:
    (code,) = code_blocks("docs/latents.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert tuple(names["path"].shape) == (2, 9, 1, 8, 8)
    assert tuple(names["filled"].images.shape) == (4, 2, 1, 8, 8)


def test_training_in_python_takes_ten_lines() -> None:
    code = code_blocks("README.md", "python")[0]
    assert "flowzoo.train(" in code
    assert len(code.splitlines()) <= 10


@pytest.mark.parametrize("kind", ["suite", "metric"])
def test_every_suite_and_metric_stands_in_the_docs(kind: str) -> None:
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    for name in default_registry().names(kind):  # type: ignore[arg-type]
        assert f"`{name}`" in page


def test_the_suite_in_the_docs_is_one(tmp_path: Path) -> None:
    text, *_ = code_blocks("docs/benchmarks.md", "yaml")
    (tmp_path / "mine.yaml").write_text(text)
    assert len(cells_of(read_suite(tmp_path / "mine.yaml"))) == 2 * 3 * len(default_registry().names("model"))


def test_the_metric_in_the_docs_measures() -> None:
    (code,) = code_blocks("docs/benchmarks.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)
    flow = create_model("gaussian", image_shape=(1, 4, 4))
    trained = Trained(flow, load_dataset("digits"), {}, [], 0, 0.0, 0)
    assert names["build_dimensions"]().measure(trained).value == 16
