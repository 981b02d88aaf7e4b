"""A run goes on with what it was trained with, or is refused in a line that says what has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from flowzoo.errors import FlowzooError, SavedModelError
from flowzoo.evaluation.diagnosis import diagnose_run
from flowzoo.evaluation.report import evaluate
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.parse import parse_experiment
from flowzoo.registry.drift import UNCHECKED
from flowzoo.registry.loader import default_registry
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.checkpoint import load_checkpoint, save_checkpoint
from flowzoo.training.reporter import Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from tests.training.test_runs import StopAt

SOURCE = """
    from flowzoo.api import BijectorSpec, Component, NetworkSpec, Spec, SplitSpec, TransformSpec, hookimpl

    flowzoo_api_version = 2
    REVISIONS = {revisions}

    @hookimpl
    def flowzoo_components():
        return [
            Component(*key.split(":"), f"{module}:build_{{key.split(':')[0]}}", "A toy.", revision=revision)
            for key, revision in REVISIONS.items()
        ]

    def build_model(
        shape,
        builder,
        *,
        transform: TransformSpec = Spec("turn"),
        split: SplitSpec = Spec("nothing"),
        bijector: BijectorSpec = Spec("scale"),
    ):
        from flowzoo.api import IdentityBijector, Level
        conditional = builder.bijector(bijector, shape)
        parts = builder.transform(transform, shape), IdentityBijector(), builder.split(split, shape)
        return [Level(*parts, conditional)]

    def build_transform(shape, builder):
        from flowzoo.api import IdentityTransform
        return IdentityTransform()

    def build_split(shape, builder):
        from flowzoo.api import KeepNothing
        return KeepNothing()

    def build_network(shape, output_channels, context_shape, timed, builder):
        import torch
        from flowzoo.api import Network

        class Constant(Network):
            def __init__(self):
                super().__init__()
                self.value = torch.nn.Parameter(torch.full((output_channels, 1, 1), 0.1))

            def forward(self, x, context=None, time=None, call=None):
                return self.value.expand(len(x), *shape)

        return Constant()

    def build_bijector(shape, context_shape, builder, *, network: NetworkSpec = Spec("constant")):
        from flowzoo.api import ConditionalBijector
        net = builder.network(network, shape, shape[0], None)

        class Scale(ConditionalBijector):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x, context=None, call=None):
                log_scale = self.net(x)
                return x * log_scale.exp(), {log_det}

            def inverse(self, z, context=None, call=None):
                return z * (-self.net(z)).exp()

        return Scale()

    def build_dataset():
        import torch
        from flowzoo.data.load import load_dataset
        return load_dataset("digits")
"""
KEYS = ("model:toy", "transform:turn", "split:nothing", "bijector:scale", "network:constant", "dataset:few")
LOG_DET = "log_scale.sum((1, 2, 3))"
QUICK = {"batch_size": 8, "validations": 2, "validation_images": 8, "initial_images": 8}

Install = Callable[..., None]


@pytest.fixture
def install(install_plugin: Callable[..., None], tmp_path: Path) -> Install:
    """Return ``install(raised={"network:constant": 2}, log_det="...", version="1.0")``."""

    def put(
        distribution: str = "flowzoo-toy", log_det: str = LOG_DET, version: str = "1.0", **raised: int
    ) -> None:
        revisions = {key: raised.get(key.partition(":")[0], 1) for key in KEYS}
        module = distribution.replace("-", "_")
        for stale in (tmp_path / "site-packages").glob(f"{module}-*.dist-info"):
            shutil.rmtree(stale)
        source = SOURCE.replace("{revisions}", str(revisions)).replace("{module}", module)
        source = source.replace("{{", "{").replace("}}", "}").replace("{log_det}", log_det)
        install_plugin(distribution, source, version)

    put()
    return put


@pytest.fixture
def run(install: Install, tmp_path: Path) -> Path:
    """The folder of a finished run."""
    folder = tmp_path / "run"
    train(folder)
    return folder


def train(folder: Path, steps: int = 4, reporter: Reporter | None = None, **given: Any) -> RunRecord:
    asked = {"model": "toy", "data": "few", "budget": {"steps": steps}, "training": QUICK, **given}
    return start_run(folder, parse_experiment(asked), device="cpu", reporter=reporter)


def resume(folder: Path, steps: int = 8, **options: bool):
    return resume_run(folder, budget=Budget(steps=steps), device="cpu", **options)


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(SavedModelError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def edit(folder: Path, *left_out: str) -> None:
    """Make a record as it was before fields were added."""
    path = folder / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in record.items() if key not in left_out}))


def test_a_record_states_revisions_versions_and_owners(run: Path) -> None:
    provenance = RunFolder(run).read().provenance
    assert provenance is not None
    assert {key: provenance.revisions.get(key) for key in KEYS} == dict.fromkeys(KEYS, 1)
    assert set(provenance.revisions) - set(KEYS) == {"bijector:logit"}
    assert {provenance.owners[key] for key in KEYS} == {"flowzoo-toy"}
    assert provenance.versions["flowzoo-toy"] == "1.0"
    assert {"flowzoo", "torch"} <= set(provenance.versions)
    assert set(provenance.fingerprints) == {"flowzoo", "flowzoo-toy"}


@pytest.mark.parametrize("key", KEYS)
def test_a_component_of_another_revision_is_refused_wherever_the_run_is_used(
    install: Install, run: Path, key: str
) -> None:
    kind, _, name = key.partition(":")
    before = content(run)
    install(version="2.0", **{kind: 2})
    uses = [lambda: resume(run), lambda: evaluate(run, images=4, floor=False, device="cpu")]
    uses.append(lambda: diagnose_run(run, images=4, device="cpu"))
    for use in uses:
        message = refused(use)
        assert f"with revision 1 of {kind} '{name}' (flowzoo-toy 1.0); 2.0 has revision 2" in message
        assert "pip install flowzoo-toy==1.0" in message
    assert "or start a new run" in refused(lambda: resume(run))
    assert content(run) == before
    install(version="1.0")
    assert resume(run).steps == 8


def test_a_raised_revision_of_the_pixel_transform_is_refused(install: Install, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder, data="digits", pixels="affine")
    registry = default_registry()
    affine = registry.find("bijector", "affine")
    object.__setattr__(affine, "revision", 7)
    try:
        assert "revision 1 of bijector 'affine' (flowzoo " in refused(lambda: resume(folder))
        assert "revision 7" in refused(lambda: evaluate(folder, images=4, device="cpu"))
    finally:
        object.__setattr__(affine, "revision", 1)


def test_another_version_of_the_same_revision_goes_on_and_is_noted(
    install: Install, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install(version="1.1")
    record = resume(run)
    assert caplog.messages == [f"{run} was trained with flowzoo-toy 1.0 (1.1 now)"]
    assert record.provenance is not None
    assert record.provenance.versions["flowzoo-toy"] == "1.1"
    assert [each["flowzoo-toy"] for each in record.earlier_versions] == ["1.0"]
    assert RunFolder(run).read() == record
    caplog.clear()
    assert resume(run, steps=9).earlier_versions == record.earlier_versions
    assert caplog.messages == []


CHANGED = "log_scale.sum((1, 2, 3)) * 1.02"


def test_a_computation_that_changed_without_a_revision_is_refused(
    install: Install, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(run)
    install(log_det=CHANGED)
    for use in (lambda: resume(run), lambda: evaluate(run, images=4, floor=False, device="cpu")):
        message = refused(use)
        assert "computes something else than when it was saved" in message
        assert "in the conditional of level 0" in message
        assert "of flowzoo-toy 1.0 (files differ now)" in message
        assert f"{UNCHECKED}=1" in message
    assert content(run) == before
    assert resume(run, check=False).steps == 8
    assert resume(run, steps=10).steps == 10, "it goes on with what it was last trained with"
    install()
    assert "computes something else" in refused(lambda: resume(run, steps=12))
    monkeypatch.setenv(UNCHECKED, "1")
    assert resume(run, steps=12).steps == 12


def test_a_run_cut_before_its_first_validation_is_checked_too(install: Install, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        train(folder, steps=8, reporter=StopAt(1))
    assert not (folder / "model").exists()
    install(log_det=CHANGED)
    assert "computes something else" in refused(lambda: resume_run(folder, device="cpu"))
    install()
    assert resume_run(folder, device="cpu").steps == 8


def test_an_old_record_goes_on_and_is_held_to_its_saved_model(install: Install, run: Path) -> None:
    edit(run, "provenance", "earlier_versions")
    install(network=2)
    assert "revision 1 of network 'constant'" in refused(lambda: resume(run))
    install()
    record = resume(run)
    assert record.provenance is not None
    assert set(KEYS) <= set(record.provenance.revisions)


def test_an_old_record_without_a_model_goes_on(run: Path) -> None:
    edit(run, "provenance", "earlier_versions")
    shutil.rmtree(run / "model")
    assert resume(run).steps == 8


def test_an_old_checkpoint_is_checked_by_the_best_model(install: Install, run: Path) -> None:
    path = run / "checkpoint.safetensors"
    position, groups = load_checkpoint(path)
    assert position.probe is not None
    save_checkpoint(path, replace(position, probe=None), groups)
    install(log_det=CHANGED)
    assert "computes something else" in refused(lambda: resume(run))
    install()
    assert resume(run).steps == 8


def test_a_damaged_probe_of_a_checkpoint_is_one_line(run: Path) -> None:
    path = run / "checkpoint.safetensors"
    position, groups = load_checkpoint(path)
    assert position.probe is not None
    for damage in ({"rows": 3}, {"images": "?"}):
        save_checkpoint(path, replace(position, probe={**position.probe, **damage}), groups)
        assert "is damaged" in refused(lambda: resume(run))


def test_a_checkpoint_that_lacks_a_tensor_of_the_optimiser_is_one_line(run: Path) -> None:
    path = run / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # a file is no mapping
    del tensors["optimiser/0.exp_avg"]
    save_file(tensors, path, metadata)
    assert f"it has {len(tensors)} tensors, not {len(tensors) + 1}" in refused(lambda: resume(run))


@pytest.mark.parametrize("group", ["model", "average", "generator"])
def test_a_checkpoint_that_lacks_a_tensor_is_one_line(run: Path, group: str) -> None:
    path = run / "checkpoint.safetensors"
    position, groups = load_checkpoint(path)
    name = next(iter(groups[group]))
    left = {key: value for key, value in groups[group].items() if key != name}
    save_checkpoint(path, position, {**groups, group: left})
    assert "is damaged: a tensor is missing" in refused(lambda: resume(run))


def test_a_plugin_that_is_gone_is_named(install: Install, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWZOO_PLUGINS", "")
    default_registry.cache_clear()
    for use in (lambda: resume(run), lambda: evaluate(run, images=4, device="cpu")):
        assert "needs flowzoo-toy 1.0, which FLOWZOO_PLUGINS leaves out" in refused(use)


def test_a_run_keeps_its_parts_when_another_plugin_takes_their_names(
    install: Install, run: Path, tmp_path: Path
) -> None:
    install("flowzoo-twin", network=5, dataset=5)
    assert resume(run).steps == 8
    assert evaluate(run, images=4, floor=False, device="cpu").images == 4
    with pytest.raises(FlowzooError, match="flowzoo-toy and flowzoo-twin"):
        train(tmp_path / "x")
    network = {"bijector": {"network": "flowzoo-toy/constant"}}
    record = train(tmp_path / "twin", model="flowzoo-twin/toy", data="flowzoo-toy/few", options=network)
    twin = record.experiment
    assert (twin.model, twin.data) == ("flowzoo-twin/toy", "flowzoo-toy/few")
    assert twin.options["bijector"]["network"] == {"name": "flowzoo-toy/constant"}
    assert record.provenance is not None
    assert record.provenance.revisions["network:flowzoo-toy/constant"] == 1
    assert resume(tmp_path / "twin").steps == 8
    assert load_model(tmp_path / "twin" / "model").recipe is not None
