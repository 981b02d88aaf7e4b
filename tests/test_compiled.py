"""torch.compile takes every registered model: what it computes is what the model computes without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowzoo.registry.loader import default_registry
from tests.compiling import BY_OPTION

SCRIPT = Path(__file__).with_name("compiling.py")
MODELS = [*(component.name for component in default_registry().components("model")), *BY_OPTION]


@pytest.fixture(scope="module")
def differences() -> dict[str, dict[str, float]]:
    """Return how far off each compiled model is, by model and by what was compiled."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found: dict[str, dict[str, float]] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", MODELS)
def test_what_is_compiled_computes_the_same(name: str, differences: dict[str, dict[str, float]]) -> None:
    assert differences[name]
    assert {what: apart for what, apart in differences[name].items() if not apart <= 1e-5} == {}
