from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

import flowzoo.training.loop
from flowzoo.errors import OptionError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.training.clock import clock_of
from flowzoo.training.start import start_run
from flowzoo.training.step import TrainingStep


def run(folder: Path, **training: Any) -> float:
    """Train two steps, and return the seconds that the record holds."""
    training |= {"batch_size": 4, "initial_images": 64, "validations": 1, "validation_images": 2}
    options = {"levels": 1, "last": {"checkerboard": 1, "network": {"hidden": 4, "blocks": 1}}}
    asked = parse_experiment(
        {
            "model": "realnvp",
            "data": "digits",
            "options": options,
            "budget": {"steps": 2},
            "training": training,
        }
    )
    return start_run(folder, asked, device="cpu").seconds


def test_the_processor_s_clock_does_not_count_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waiting(TrainingStep):
        def take(self, *args: Any, **kwargs: Any) -> Any:
            time.sleep(0.25)
            return super().take(*args, **kwargs)

    monkeypatch.setattr(flowzoo.training.loop, "TrainingStep", Waiting)
    before = time.process_time()
    counted = run(tmp_path / "processor", clock="processor")
    assert 0 < counted <= time.process_time() - before
    assert run(tmp_path / "wall") >= 0.5


def test_it_is_refused_where_another_device_works() -> None:
    options = parse_experiment(
        {
            "model": "glow",
            "data": "digits",
            "budget": {"steps": 2},
            "training": {"clock": "processor"},
        }
    ).training
    with pytest.raises(OptionError, match="--device cpu"):
        clock_of(options, torch.device("cuda", 0))
    assert clock_of(options, torch.device("cpu")) is time.process_time
