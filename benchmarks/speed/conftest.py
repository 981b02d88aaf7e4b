"""Device and threads, and what is kept of a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from measuring import Measure, warm_up
from pytest_benchmark.fixture import BenchmarkFixture
from subjects import IMAGES, SHAPE

from flowzoo.device import prepare_device


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Where to compute: ``FLOWZOO_BENCH_DEVICE``, else the CPU, on one thread."""
    torch.set_num_threads(1)
    return prepare_device(os.environ.get("FLOWZOO_BENCH_DEVICE", "cpu"))


@pytest.fixture
def measure(benchmark: BenchmarkFixture, device: torch.device) -> Measure:
    """Return ``measure(work)``, which times work on a batch of images."""

    def to_the_end(work: Callable[[], object]) -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def measured(work: Callable[[], object]) -> None:
        rounds = 1 if benchmark.disabled else warm_up(lambda: to_the_end(work))
        benchmark.extra_info.update(device=device.type, threads=torch.get_num_threads())
        benchmark.extra_info.update(images=IMAGES, shape="x".join(map(str, SHAPE)))
        benchmark.pedantic(to_the_end, args=(work,), rounds=rounds)
        if benchmark.stats is not None:
            benchmark.extra_info["images_per_second"] = round(IMAGES / benchmark.stats.stats.median, 1)

    return measured


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Keep what the times depend on, and not whose machine it was."""
    kept = {"machine", "python_implementation", "python_version", "system"}
    cpu = machine_info.get("cpu", {})
    for key in set(machine_info) - kept:
        del machine_info[key]
    machine_info["cpu"] = {key: cpu[key] for key in ("brand_raw", "arch", "count") if key in cpu}
    machine_info["torch"] = torch.__version__
    if torch.cuda.is_available():
        machine_info["cuda"] = torch.cuda.get_device_name()


def pytest_benchmark_update_commit_info(config: pytest.Config, commit_info: dict[str, Any]) -> None:
    """Name the project as it is called, whatever its folder is."""
    commit_info["project"] = "flowzoo"


def pytest_benchmark_update_json(
    config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]
) -> None:
    """Leave the single rounds out: their statistics stay."""
    for each in output_json["benchmarks"]:
        each["stats"].pop("data", None)
        each.pop("options", None)
