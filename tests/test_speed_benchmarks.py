"""The timing of every registered component."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowzoo.component import Kind
from flowzoo.registry.loader import RESTRICTION, default_registry

ROOT = Path(__file__).parents[1]
PARTS: dict[Kind, tuple[str, ...]] = {
    "transform": ("forward", "inverse"),
    "bijector": ("forward", "inverse"),
    "model": ("training_step", "log_prob", "sampling", "inversion"),
}


def benchmarks(*arguments: str, **environment: str) -> str:
    """Run pytest over the benchmarks and return what it printed."""
    # pytest-benchmark times nothing where it believes itself in one of xdist's workers.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks/speed", "-q", *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected(kind: Kind, name: str) -> set[str]:
    return {f"test_{kind}s.py::test_{part}[{name}]" for part in PARTS[kind]}


def test_every_registered_component_is_timed_and_nothing_else() -> None:
    collected = {line for line in benchmarks("--collect-only").splitlines() if "::" in line}
    registered = default_registry()
    wanted = [expected(kind, name) for kind in PARTS for name in registered.names(kind)]
    assert collected == set().union(*wanted)


def test_a_third_party_s_component_is_timed_with_no_edit(tmp_path: Path) -> None:
    """With one that cannot work on images of that size, which is skipped with its reason."""
    (tmp_path / "flowzoo_other.py").write_text(
        "from flowzoo.api import Component, ShapeError, hookimpl\n"
        "from flowzoo.api import Squeeze\n"
        "flowzoo_api_version = 2\n"
        "def build(shape, builder): return Squeeze()\n"
        "def refuse(shape, builder): raise ShapeError('only for larger images')\n"
        "@hookimpl\n"
        "def flowzoo_components():\n"
        "    return [Component('transform', 'other', 'flowzoo_other:build', 'Another'),\n"
        "            Component('transform', 'another', 'flowzoo_other:refuse', 'One that refuses')]\n"
    )
    info = tmp_path / "flowzoo_other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nother = flowzoo_other\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    printed = benchmarks(
        "--benchmark-disable", "-rs", "-k", "other", PYTHONPATH=path, **{RESTRICTION: "flowzoo-other"}
    )
    assert "2 passed, 2 skipped" in printed
    assert "not at 3x32x32: only for larger images" in printed


def test_they_run() -> None:
    chosen = (
        "test_transforms and (haar or pyramid)",
        "test_bijectors and (crops or stack)",
        "test_models and glow",
        "test_models and lcma and training",
        "test_models and gaussian and training",
    )
    printed = benchmarks("--benchmark-disable", "-rs", "-k", " or ".join(f"({each})" for each in chosen))
    assert "13 passed, 1 skipped" in printed
    assert "nothing of it is trained by steps" in printed


def test_what_is_kept_names_no_machine_and_no_single_rounds(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    benchmarks("-k", "test_forward and haar", f"--benchmark-json={out}")
    text = out.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    kept = json.loads(text)
    assert "node" not in kept["machine_info"]
    (found,) = kept["benchmarks"]
    assert found["extra_info"]["images_per_second"] == pytest.approx(16 / found["stats"]["median"], abs=0.1)
    assert "data" not in found["stats"]


@pytest.mark.parametrize(
    ("script", "libraries"),
    [("glow", {"normflows"}), ("realnvp", {"nflows", "FrEIA"}), ("dense", {"zuko"})],
)
def test_peers_have_as_many_parameters_that_count(script: str, libraries: set[str], tmp_path: Path) -> None:
    """And are timed; normflows' Glow with equal weights computes the same."""
    out = tmp_path / "out.json"
    path = f"benchmarks/peers/{script}.py"
    subprocess.run(
        [sys.executable, "-W", "ignore", path, "--quick", "--json", str(out)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    found = json.loads(out.read_text(encoding="utf-8"))
    parameters = found["parameters"]
    ours = parameters.pop("flowzoo")
    unused = found.get("normflows_parameters_that_never_count", 0)
    assert parameters == dict.fromkeys(libraries, ours + unused)
    if not unused:
        shapes = found["shapes_of_parameters"]
        assert shapes == dict.fromkeys(shapes, shapes["flowzoo"])
    assert found.get("largest_relative_difference_with_equal_weights", 0.0) < 1e-12
    for work in ("training step", "log-likelihood", "sampling"):
        assert set(found["work"][work]) == {"flowzoo", *libraries}


def test_the_page_on_peers_shows_the_stored_figures() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/peers/table.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    page = (ROOT / "docs/peers.md").read_text(encoding="utf-8")
    assert printed.count("\n") >= 15
    assert printed in page
