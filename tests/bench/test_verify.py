"""A record is confirmed by its own weights, and every way of forging one is found."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from flowzoo.bench.artefacts import model_folder
from flowzoo.bench.cell import cells_of
from flowzoo.bench.measure import CellRun
from flowzoo.bench.plan import Planner
from flowzoo.bench.result import Result
from flowzoo.bench.store import read_results, write_result
from flowzoo.bench.suite import parse_suite
from flowzoo.bench.verification import Verification, read_verification, write_verification
from flowzoo.bench.verify import can_be_verified, verify
from flowzoo.evaluation.image_bits import ImageBits, bits_file, read_bits, write_bits
from flowzoo.registry.saving import load_model, save_model

SMALL = {
    "summary": "For the tests",
    "models": [
        {"name": "glow", "options": {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}}},
        "gaussian",
    ],
    "data": ["digits"],
    "budget": {"steps": 2},
    "training": {"validations": 1, "validation_images": 8},
    "metrics": [{"name": "bits-per-dim", "images": 12, "audit_seconds": 1.0}],
    "threads": 1,
    "samples": 0,
    "keep": True,
}
SUITE = parse_suite("small", SMALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the records of two cells."""
    out = tmp_path_factory.mktemp("results")
    for cell in cells_of(SUITE):
        record = out / f"{cell.label}.json"
        work = out / ".work" / cell.label
        work.mkdir(parents=True)
        run = CellRun(cell, Planner("cpu").plan(cell), work, "cpu", 1, lambda *_, **more: None)
        write_result(record, run.run(record))
    return out


@pytest.fixture
def record(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of the trained model, in a folder of its own."""
    monkeypatch.setattr("flowzoo.bench.verify.find_suite", lambda name: SUITE)
    shutil.copytree(made, tmp_path / "results", ignore=shutil.ignore_patterns(".work"))
    return tmp_path / "results" / "glow.json"


def result_of(record: Path) -> Result:
    return read_results(record).results[0]


def found(record: Path, **how: Any) -> Verification:
    return verify(record, result_of(record), device="cpu", **how)


def edit(record: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(record.read_text())
    change(data)
    record.write_text(json.dumps(data))


def restate_files(record: Path) -> None:
    """State the digests of the files as they are now, as somebody does who forges them too."""
    names = [*sorted(model_folder(record).iterdir()), bits_file(record)]
    digests = {
        path.relative_to(record.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in names
    }
    edit(record, lambda data: data.update(files=digests))


def test_a_record_is_confirmed_by_its_own_weights(record: Path) -> None:
    assert can_be_verified(result_of(record))
    outcome = found(record, by="somebody")

    assert outcome.faults == ()
    assert (outcome.passed, outcome.images, outcome.by) == (True, 12, "somebody")
    assert outcome.largest == pytest.approx(0.0, abs=1e-6)
    assert found(record, images=5).images == 5


def test_a_verification_is_of_one_record_only(record: Path) -> None:
    write_verification(record, found(record, images=4))
    kept = read_verification(record)
    assert kept is not None
    assert kept.passed
    results = read_results(record.parent)
    assert [each.label for each in results.results if results.verified(each)] == ["glow"]
    edit(record, lambda data: data.update(date="2030-01-01T00:00:00+00:00"))
    assert read_verification(record) is None


def set_figure(record: Path, shift: float) -> None:
    def change(data: dict[str, Any]) -> None:
        data["metrics"]["bits-per-dim"]["value"] += shift

    edit(record, change)


def forge_figure(record: Path) -> None:
    set_figure(record, -0.01)


def forge_figure_and_bits(record: Path) -> None:
    bits = read_bits(bits_file(record))
    assert bits is not None
    write_bits(replace(bits, values=bits.values - 0.01), bits_file(record))
    set_figure(record, -0.01)
    restate_files(record)


def swap_weights(record: Path) -> None:
    flow = load_model(model_folder(record))
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.05
    shutil.rmtree(model_folder(record))
    save_model(flow, model_folder(record))


def swap_weights_and_restate(record: Path) -> None:
    swap_weights(record)
    restate_files(record)


def give_another_model(record: Path) -> None:
    shutil.rmtree(model_folder(record))
    shutil.copytree(model_folder(record.with_name("gaussian.json")), model_folder(record))
    restate_files(record)


def change_split(record: Path) -> None:
    bits = read_bits(bits_file(record))
    assert bits is not None
    conditions = replace(bits.conditions, split="validation")
    write_bits(ImageBits(bits.values, conditions), bits_file(record))
    restate_files(record)


def change_split_in_both(record: Path) -> None:
    change_split(record)
    edit(record, lambda data: data["metrics"]["bits-per-dim"]["conditions"].update(split="validation"))


def lose_weights(record: Path) -> None:
    next(model_folder(record).glob("*.safetensors")).unlink()


def cut_bits_short(record: Path) -> None:
    path = bits_file(record)
    path.write_bytes(path.read_bytes()[:-8])


def cut_bits_short_and_restate(record: Path) -> None:
    cut_bits_short(record)
    restate_files(record)


def change_seed(record: Path) -> None:
    edit(record, lambda data: data["experiment"].update(seed=5))


def change_data_revision(record: Path) -> None:
    edit(record, lambda data: data["data"].update(revision="0" * 64))


def raise_revision(record: Path) -> None:
    edit(record, lambda data: data["components"].update({"model:glow": 99}))


@pytest.mark.parametrize(
    ("forge", "named"),
    [
        (forge_figure, "another mean"),
        (forge_figure_and_bits, r"differ by \+0\.0100"),
        (swap_weights, "SHA-256 differs"),
        (swap_weights_and_restate, "differ by"),
        (give_another_model, "another one than the record describes"),
        (change_split, "states the split 'test'"),
        (change_split_in_both, "other images than those of the split 'validation'"),
        (lose_weights, "is missing"),
        (cut_bits_short, "SHA-256 differs"),
        (cut_bits_short_and_restate, "damaged"),
        (change_seed, "it was edited"),
        (change_data_revision, "it was edited"),
        (raise_revision, "made with 99"),
    ],
)
def test_what_was_forged_or_lost_is_found(record: Path, forge: Callable[[Path], None], named: str) -> None:
    forge(record)
    outcome = found(record)

    assert not outcome.passed
    assert any(re.search(named, fault) for fault in outcome.faults), outcome.faults
    assert all("\n" not in fault for fault in outcome.faults)


def test_other_images_under_the_same_name_are_found(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowzoo.data.load import load_dataset

    def other(name: str, **options: Any) -> Any:
        dataset = load_dataset(name, **options)
        return replace(dataset, info=replace(dataset.info, revision="f" * 64))

    monkeypatch.setattr("flowzoo.bench.verify.load_dataset", other)
    assert any("these are other images" in fault for fault in found(record).faults)


def test_code_that_changed_without_a_new_revision_is_found(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowzoo.builtin.whiten import Whiten

    whiten = Whiten._whiten

    def wrong(self: Whiten, *arguments: Any) -> Any:
        w, log_det = whiten(self, *arguments)
        return w, log_det + 3.0

    monkeypatch.setattr(Whiten, "_whiten", wrong)
    owner = "flowzoo-coupling"
    edit(record, lambda data: data["environment"]["fingerprints"].update({owner: "0" * 16}))
    faults = found(record).faults
    assert any("differ by" in fault or "cannot be measured again" in fault for fault in faults)
    assert any("without a new revision" in fault and owner in fault for fault in faults)
