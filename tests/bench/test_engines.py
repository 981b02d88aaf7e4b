"""Cells that run through an engine: figures as from the local runner, and clear refusals."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.elsewhere import unlike_the_runner
from flowzoo.bench.engines import known
from flowzoo.bench.engines.known import choose, preview
from flowzoo.bench.engines.launcher import LocalLauncher
from flowzoo.bench.engines.node import run_cell
from flowzoo.bench.engines.remote import EngineError, RemoteCell, RemoteLauncher
from flowzoo.bench.engines.travel import deliver
from flowzoo.bench.kept import expected_of
from flowzoo.bench.plan import Planner
from flowzoo.bench.runner import Runner, RunnerError
from flowzoo.bench.store import read_results
from flowzoo.bench.suite import parse_suite
from flowzoo.bench.watcher import SilentWatcher
from flowzoo.cli.app import app
from flowzoo.errors import OptionError
from flowzoo.program_process import Inbox
from flowzoo.registry.loader import RESTRICTION, default_registry
from flowzoo.yaml_text import read_yaml

PLUGIN = """
    import os, signal
    import torch
    from flowzoo.api import (
        EVALUATION, Component, ConditionalBijector, IdentityBijector, IdentityTransform, KeepNothing, Level,
        hookimpl,
    )

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [Component(kind="model", name="mortal", build="flowzoo_mortal:build", summary="Kills")]

    class Scaled(ConditionalBijector):
        def __init__(self, shape):
            super().__init__()
            self.log_scale = torch.nn.Parameter(torch.zeros(shape))
            self.steps = 0

        def forward(self, x, context=None, call=EVALUATION):
            self.steps += call.training
            kill = os.environ.get("MORTAL_KILL")
            if kill and os.path.exists(kill) and self.steps == 5:
                os.remove(kill)
                os.kill(os.getppid(), signal.SIGKILL)
            return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

        def inverse(self, z, context=None, call=EVALUATION):
            return z * (-self.log_scale).exp()

    def build(shape, builder):
        return [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Scaled(shape))]
"""


class Told(SilentWatcher):
    def __init__(self) -> None:
        self.restarts: list[str] = []

    def restarted(self, cell: Cell, reason: str) -> None:
        self.restarts.append(reason)


@pytest.fixture(scope="module")
def order_to_kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install a model that kills the process that has started its own, once, if the returned file exists."""
    site = tmp_path_factory.mktemp("site")
    (site / "flowzoo_mortal.py").write_text(textwrap.dedent(PLUGIN))
    info = site / "flowzoo_mortal-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-mortal\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nmortal = flowzoo_mortal\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
        patch.setenv(RESTRICTION, "mortal")
        patch.setenv("MORTAL_KILL", str(site / "kill"))
        importlib.invalidate_caches()
        default_registry.cache_clear()
        yield site / "kill"
    default_registry.cache_clear()
    sys.modules.pop("flowzoo_mortal", None)


@pytest.fixture(scope="module")
def wanted(order_to_kill: Path) -> list[Cell]:
    content = {
        "summary": "For the tests",
        "models": ["mortal"],
        "data": ["digits"],
        "budget": {"steps": 8},
        "training": {"batch_size": 16, "validations": 2, "validation_images": 16},
        "metrics": ["parameters", {"name": "bits-per-dim", "images": 30, "audit": False}],
        "threads": 1,
        "samples": 4,
        "keep": True,
    }
    return cells_of(parse_suite("mine", content))


@pytest.fixture(scope="module")
def local(wanted: list[Cell], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of the local runner."""
    out = tmp_path_factory.mktemp("local")
    Runner(out, device="cpu").run(wanted)
    return figures(out)


def figures(out: Path) -> dict[str, Any]:
    found = read_results(out)
    assert not found.skipped
    (result,) = found.results
    bits = found.bits(result)
    assert result.failure is None
    assert bits is not None
    return {
        "key": result.key,
        "steps": result.spent.steps,
        "metrics": {name: (each.value, each.error) for name, each in result.metrics.items()},
        "picture": (out / "mine" / result.samples).read_bytes(),
        "weights": dict(result.files),
        "bits": bits.values.tobytes(),
    }


@pytest.mark.parametrize(
    ("engine", "options"), [("ray", {}), ("slurm", {"cluster": "local", "minutes": 5})], ids=["ray", "slurm"]
)
def test_a_killed_worker_loses_nothing(
    wanted: list[Cell],
    local: Mapping[str, Any],
    order_to_kill: Path,
    tmp_path: Path,
    engine: str,
    options: dict[str, Any],
) -> None:
    pytest.importorskip(known.ENGINES[engine].library, reason=f"the extra {engine} is not installed")
    chosen = choose(engine, options)
    assert chosen is not None
    order_to_kill.touch()
    told = Told()

    Runner(tmp_path, launcher=RemoteLauncher(chosen, tmp_path / "engine"), watcher=told).run(wanted)

    assert not order_to_kill.exists(), "nobody was killed"
    assert len(told.restarts) == 1
    assert figures(tmp_path) == local
    assert not any(path.is_dir() for path in (tmp_path / "mine/.work").iterdir())


class Away(LocalLauncher):
    """Runs cells as an engine does on a machine that does not see the runner's folders."""

    elsewhere = True

    def device(self, asked: str) -> str:
        return "cpu"

    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> RemoteCell:
        cell = RemoteCell(RemoteLauncher(known.Chosen("ray", known.RayOptions()), output.parent), 0, output)

        def run() -> None:
            for message in run_cell({**job, "mark": "another machine's"}):
                if "files" in message:
                    assert not Path(job["result"]).exists()
                    deliver(message["files"]["results"], Path(job["result"]), Path(job["work"]))
                elif "ended" in message:
                    cell.end(**message["ended"], lost="")
                else:
                    inbox.put((cell, message))
            inbox.put((cell, None))

        threading.Thread(target=run).start()
        return cell


def test_results_travel_from_machines_that_share_no_folder(
    wanted: list[Cell], local: Mapping[str, Any], tmp_path: Path
) -> None:
    Runner(tmp_path, launcher=Away()).run(wanted)

    assert figures(tmp_path) == local


class Unfit(Away):
    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> RemoteCell:
        cell = RemoteCell(RemoteLauncher(known.Chosen("ray", known.RayOptions()), output.parent), 0, output)
        cell.end(1, False, "", "")
        inbox.put((cell, {"refused": "machine n1 lacks something"}))
        return cell


def test_a_machine_that_does_not_fit_stops_the_suite_and_records_nothing(
    wanted: list[Cell], tmp_path: Path
) -> None:
    with pytest.raises(RunnerError, match="machine n1 lacks something"):
        Runner(tmp_path, launcher=Unfit()).run(wanted)

    assert not list(tmp_path.rglob("mine/*.json"))


def test_a_machine_with_other_software_or_images_or_without_them_is_refused(wanted: list[Cell]) -> None:
    (cell,) = wanted
    plan = Planner("cpu").plan(cell)
    assert unlike_the_runner(cell, plan, expected_of(cell, plan), "cpu") == ""

    expected = {"versions": {"flowzoo-mortal": "0.2", "torch": "1.0"}, "fingerprints": {}}
    software = unlike_the_runner(cell, plan, expected, "cpu")
    assert "flowzoo-mortal 0.2 (0.1 there)" in software
    assert "torch 1.0 (" in software

    other = replace(plan, data=replace(plan.data, revision="another"))
    assert "other images" in unlike_the_runner(cell, other, expected_of(cell, plan), "cpu")

    absent = replace(cell, experiment=replace(cell.experiment, data="images", data_options={"root": "/none"}))
    assert "/none" in unlike_the_runner(absent, plan, expected_of(cell, plan), "cpu")


@pytest.mark.parametrize(
    ("asked", "options", "named"),
    [
        ("rey", {}, "did you mean 'ray'"),
        ("local", {"cpus": 2}, "--cpus"),
        ("ray", {"partition": "gpu"}, "partition"),
        ("ray", {"cpus": 0}, "cpus"),
        ("slurm", {"minutes": "long"}, "minutes"),
    ],
)
def test_engines_and_options_that_do_not_exist_are_one_line(
    asked: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(OptionError, match=named) as raised:
        choose(asked, options)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:1"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")

    with (
        pytest.raises(EngineError, match="--address"),
        RemoteLauncher(choose("ray", {"address": address}), tmp_path),
    ):
        pass


def test_options_come_from_a_file_and_the_command_line_counts_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "find_spec", lambda name: object())
    path = tmp_path / "cluster.yaml"
    path.write_text("{engine: slurm, partition: gpu, minutes: 30, sbatch: {nice: 5}}")

    chosen = choose(str(path), {"minutes": 90})

    assert chosen is not None
    assert chosen.name == "slurm"
    assert chosen.options.model_dump() | {"minutes": 90, "partition": "gpu"} == chosen.options.model_dump()
    path.write_text("{partition: gpu}")
    with pytest.raises(OptionError, match="engine"):
        choose(str(path), {})


def test_the_examples_fit_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "find_spec", lambda name: object())
    examples = Path(__file__).parents[2] / "examples" / "clusters"
    assert choose(str(examples / "slurm.yaml"), {}) is not None

    spec = read_yaml(examples / "rayjob.yaml")["spec"]
    helped = CliRunner().invoke(app, ["bench", "run", "--help"], env={"COLUMNS": "200"}).stdout
    assert [option in helped for option in spec["entrypoint"].split() if option.startswith("--")] == [
        True
    ] * 5
    group = spec["rayClusterSpec"]["workerGroupSpecs"][0]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_an_engine_whose_library_is_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "find_spec", lambda name: None)

    with pytest.raises(OptionError, match=r"pip install 'flowzoo\[ray\]'"):
        choose("ray", {})


def test_the_script_for_slurm_can_be_read_before_it_is_submitted(tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")

    text = preview(choose("slurm", {"partition": "gpu", "gpus": 2, "cpus": 4, "minutes": 90}), tmp_path)

    asked = ["--partition=gpu", "--gpus-per-node=2", "--cpus-per-task=4", "--time=90"]
    assert [f"#SBATCH {option}" in text for option in asked] == [True] * 4
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 0), ("cpu", 1), ("mps", 1)])
def test_a_device_that_cells_do_not_get_is_refused(device: str, gpus: int, tmp_path: Path) -> None:
    chosen = known.Chosen("ray", known.RayOptions(gpus=gpus))

    with pytest.raises(OptionError, match="--device"):
        Runner(tmp_path, device=device, launcher=RemoteLauncher(chosen, tmp_path))
