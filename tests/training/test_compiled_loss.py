"""``training.compile``: one graph, the same gradients, and a clear line where it is not possible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import flowzoo
from flowzoo.errors import OptionError
from tests.training import compiled_losses

ROOT = Path(__file__).parents[2]

Found = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def found() -> Found:
    """Return what was compiled, by model and stage."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", compiled_losses.__name__]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    result: Found = json.loads(ran.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("case", compiled_losses.CASES)
def test_a_loss_is_one_graph_with_the_same_gradients(case: str, found: Found) -> None:
    assert found[case]
    for name, stage in found[case].items():
        assert stage["difference"] <= 1e-5
        solves = "likelihood" in name
        assert (stage["graphs"], stage["breaks"]) == (0 if solves else 1, 0)


def test_the_user_sees_how_long_compiling_took(found: Found) -> None:
    assert any("compiled in" in note for note in found["glow"]["all levels"]["notes"])


def test_what_cannot_be_compiled_trains_all_the_same_and_says_so_once(found: Found) -> None:
    notes = found["rnode"]["all levels, likelihood"]["notes"]
    assert [note for note in notes if "without" in note] == notes[-1:]


def test_where_the_gradient_cannot_be_compiled_the_step_is_computed_without(found: Found) -> None:
    stage = found[compiled_losses.BROKEN]["all levels"]
    assert stage["difference"] == 0
    assert sum("cannot make one graph of the gradient" in note for note in stage["notes"]) == 1


def test_without_a_compiler_nothing_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(OptionError, match="Install"):
        flowzoo.train("glow", "digits", out=tmp_path / "run", steps=1, training={"compile": True})
    assert not (tmp_path / "run").exists()
