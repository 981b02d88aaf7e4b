"""A model that trains in no time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunRecord
from flowzoo.training.apart.levels_apart import Apart
from flowzoo.training.reporter import Reporter
from flowzoo.training.start import start_run

TINY = {
    "levels": 2,
    "precondition": None,
    "bijector": {
        "blocks": 1,
        "network": {"name": "conv-field", "hidden": 4, "layers": 2},
        "evaluation_solver": "rk4",
        "evaluation_steps": 3,
    },
}
QUICK = {"batch_size": 8, "validations": 3, "validation_images": 8, "initial_images": 32}

Start = Callable[..., RunRecord]


@pytest.fixture
def start() -> Start:
    """Return ``start(folder, steps=6, training={}, **fields of an experiment)``."""

    def run(
        folder: Path,
        steps: int = 6,
        training: dict[str, Any] | None = None,
        reporter: Reporter | None = None,
        device: str = "cpu",
        apart: Apart | None = None,
        grow_from: str | None = None,
        **arguments: Any,
    ) -> RunRecord:
        given = {"model": "mrcnf", "data": "digits", "options": TINY, **arguments}
        given |= {"budget": {"steps": steps}, "training": {**QUICK, **(training or {})}}
        return start_run(
            folder,
            parse_experiment(given),
            device=device,
            reporter=reporter,
            apart=apart,
            grow_from=grow_from,
        )

    return run
