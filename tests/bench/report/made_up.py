"""Results that nobody measured, for the tests of what is made of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowzoo.bench.result import DataFacts, Environment, Failure, Result, Spent
from flowzoo.bench.store import write_result
from flowzoo.component import Published
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.metric import Measurement

DIGITS = DataFacts(
    name="digits",
    revision="1a2b3c4d5e6f",
    shape=(1, 8, 8),
    bins=17,
    sizes={"train": 1347, "validation": 150, "test": 300},
    licence="CC BY 4.0",
    source="scikit-learn",
)
CPU = Environment(
    device="cpu",
    hardware={"processor": "Xeon", "cores": 2, "memory_gib": 8},
    precision="float32",
    threads=1,
    jobs=1,
    versions={"python": "3.11.9", "torch": "2.6.0", "flowzoo": "0.1.0"},
    plugins={"flowzoo-coupling": "0.1.0"},
    commit="0123abcd",
)
CUDA = replace(CPU, device="cuda:0", hardware={"gpu": "H100"}, precision="bfloat16")


def bits(
    value: float | None,
    error: float | None = 0.01,
    joint: float | None = None,
    audited: bool = True,
    conditions: Mapping[str, Any] | None = None,
    **more: Any,
) -> Measurement:
    """Return a measured likelihood."""
    details = {} if joint is None else {"joint_bpd": joint}
    audit = {"density": {"passed": True}} if audited else {}
    return Measurement(
        value, "bits/dim", "lower", error, conditions={**(conditions or {}), **audit}, details=details, **more
    )


def result(
    label: str,
    value: float | None = None,
    *,
    seed: int = 0,
    data: DataFacts = DIGITS,
    suite: str = "quick",
    metrics: Mapping[str, Measurement] | None = None,
    published: tuple[Published, ...] = (),
    environment: Environment | None = CPU,
    **more: Any,
) -> Result:
    """Return a finished cell; ``value`` is its bits/dim."""
    measured = {} if value is None else {"bits-per-dim": bits(value)}
    given: dict[str, Any] = {
        "key": f"{suite}-{data.name}-{label}-{seed}",
        "status": "finished",
        "date": "2026-01-02T03:04:05+00:00",
        "components": {f"model:{label}": 1},
        "parameters": 1000,
        "spent": Spent(500, 60.2, 64),
    }
    asked: dict[str, Any] = {
        "model": label,
        "options": {"levels": 2},
        "pixels": {"name": "logit", "alpha": 0.05},
        "training": TrainingOptions(batch_size=64),
        "budget": Budget(seconds=60.0),
    }
    asked = {name: more.pop(name, value) for name, value in asked.items()}
    return Result(
        suite=suite,
        label=label,
        experiment=Experiment(data=data.name, data_revision=data.revision, seed=seed, **asked),
        data=data,
        environment=environment,
        metrics=measured | dict(metrics or {}),
        published=published,
        **(given | more),
    )


def failed(label: str, reason: str = "the loss is nan", cause: Any = "not finite", **more: Any) -> Result:
    """Return a cell that failed in training."""
    output = ("step 40: loss 3.1", "step 41: loss nan")
    return result(label, status="failed", failure=Failure("training", cause, reason, output), **more)


def write(folder: Path, *results: Result) -> Path:
    """Write results as a suite's runner does."""
    for number, each in enumerate(results):
        write_result(folder / each.suite / f"{number}.json", each)
    return folder
