"""Small trained models, and metrics by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flowzoo
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.experiment.parse import parse_experiment
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.registry.build import build_component
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog
from flowzoo.training.start import start_run

NETWORK = {"hidden": 4, "blocks": 1}
FIELD = {"name": "conv-field", "hidden": 4, "layers": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "lcma": {
        "levels": 2,
        "joint": {"checkerboard": 2, "channel": 0, "network": NETWORK},
        "last": {"checkerboard": 2, "network": NETWORK},
    },
    "mrcnf": {
        "levels": 2,
        "precondition": None,
        "bijector": {
            "blocks": 1,
            "objective": "flow-matching+likelihood",
            "network": FIELD,
            "solver": "rk4",
            "steps": 2,
            "evaluation_solver": "rk4",
            "evaluation_steps": 3,
        },
    },
    "realnvp": {
        "levels": 2,
        "joint": {"checkerboard": 1, "channel": 1, "network": NETWORK},
        "last": {"checkerboard": 2, "network": NETWORK},
    },
}
TRAINING = {"batch_size": 8, "validations": 3, "validation_images": 8, "initial_images": 64}

Measure = Callable[..., Measurement]
Load = Callable[..., Trained]


@functools.cache
def _folder(root: Path, model: str, order: str) -> RunFolder:
    folder = root / f"{model}-{order}"
    asked = {"model": model, "data": "digits", "options": OPTIONS[model], "budget": {"steps": 6}}
    training = {**TRAINING, "order": order}
    start_run(folder, parse_experiment({**asked, "training": training}), device="cpu")
    return RunFolder(folder)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Return ``runs(model, order="jointly")``: the folder of a short run on the digits."""
    root = tmp_path_factory.mktemp("runs")
    return lambda model, order="jointly": _folder(root, model, order)


@pytest.fixture
def load(runs: Callable[..., RunFolder]) -> Load:
    """Return ``load(model, order="jointly")``: what a suite hands to a metric."""

    def trained(model: str, order: str = "jointly") -> Trained:
        folder = runs(model, order)
        record = folder.read()
        return Trained(
            flow=load_model(folder.model),
            dataset=load_dataset("digits"),
            training=record.experiment.training.model_dump(),
            log=TrainingLog(folder.log).read(),
            steps=record.steps,
            seconds=record.seconds,
            seed=record.experiment.seed,
        )

    return trained


@pytest.fixture
def pyramid(load: Load) -> Trained:
    """Return a model that draws its coarse images."""
    trained = load("gaussian")
    flow = flowzoo.create_model(
        "msflow-image",
        (1, 8, 8),
        levels=2,
        bins=17,
        pixels="affine",
        seed=0,
        transform={"proposal": "uniform"},
        bijector="gaussian",
    )
    flow.initialise([dequantise(trained.dataset.split("train").take(range(300)), 17)])
    return replace(trained, flow=flow)


@pytest.fixture
def measure(load: Load) -> Measure:
    """Return ``measure(metric, model, order="jointly", **options)``."""

    def measured(name: str, model: str, order: str = "jointly", **options: Any) -> Measurement:
        metric = build_component("metric", name, **options)
        assert isinstance(metric, Metric)
        return metric.measure(load(model, order))

    return measured
