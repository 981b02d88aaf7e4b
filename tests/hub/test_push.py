"""Uploads to a hub on this machine: what is there afterwards, and what is refused."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from PIL import Image
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.errors import HubError, OptionError
from flowzoo.evaluation.report import evaluation_file, read_evaluation, write_evaluation
from flowzoo.runfolder import RunFolder
from flowzoo.sharing.licence import choose_licence
from tests.hub.server import Hub, Repository

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # the library's own

NAME = "hf-hub:owner/digits"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that was evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    flowzoo.train("realnvp", "digits", out=folder, steps=2, device="cpu", options={"levels": 2})
    found = flowzoo.evaluate(folder, images=8, floor=False, audit_seconds=0.5, device="cpu")
    write_evaluation(found, evaluation_file(folder, "test"))
    return folder


@pytest.fixture
def owner(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return the hub, its owner logged in."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub


def files_of(hub: Hub) -> dict[str, bytes]:
    return hub.repositories["owner/digits"].commits[-1][1]


def card_of(hub: Hub) -> tuple[dict[str, object], str]:
    _, front, text = files_of(hub)["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(front), text


def test_a_run_is_pushed_in_one_commit_and_loads_as_it_was(owner: Hub, run: Path) -> None:
    result = CliRunner().invoke(app, ["push", str(run), NAME])
    assert result.exit_code == 0, result.output
    repository = owner.repositories["owner/digits"]
    assert not repository.private
    assert len(repository.commits) == 2
    uploaded = files_of(owner).keys() - {".gitattributes"}
    assert uploaded == {"config.json", "model.safetensors", "README.md", "samples.png"}
    assert files_of(owner)["model.safetensors"] == (run / "model/model.safetensors").read_bytes()
    assert Image.open(io.BytesIO(files_of(owner)["samples.png"])).size > (64, 64)
    pushed = re.search(r'"(hf-hub:.*)"', result.stdout)
    assert pushed is not None
    assert pushed[1] == f"{NAME}@{repository.commits[-1][0]}"
    loaded, own = flowzoo.load_model(pushed[1]), flowzoo.load_model(run)
    assert loaded.recipe == own.recipe


def test_the_card_states_the_figure_with_its_conditions(owner: Hub, run: Path) -> None:
    flowzoo.push_model(run, NAME)
    front, text = card_of(owner)
    found = read_evaluation(evaluation_file(run, "test"))
    assert front["license"] == "cc-by-4.0"
    assert front["library_name"] == "flowzoo"
    ((index,), metrics) = front["model-index"], []
    metrics = index["results"][0]["metrics"]
    assert metrics[0]["value"] == pytest.approx(found.bits_per_dim, abs=1e-4)
    assert f"{found.bits_per_dim:.4f}" in text
    for stated in (
        "digits",
        "density audit",
        "the first 8 of",
        "pip install",
        "flowzoo-coupling",
        "levels: 2",
    ):
        assert stated in text
    assert str(run) not in text


def test_a_figure_of_another_training_is_left_out(owner: Hub, run: Path) -> None:
    folder = RunFolder(run)
    record = folder.read()
    folder.write(replace(record, steps=record.steps + 1))
    try:
        flowzoo.push_model(run, NAME)
    finally:
        folder.write(record)
    assert "model-index" not in card_of(owner)[0]
    assert "were not measured" in card_of(owner)[1]


def test_a_saved_model_is_pushed_with_a_licence(owner: Hub, saved: Path) -> None:
    with pytest.raises(OptionError, match="--licence"):
        flowzoo.push_model(saved, NAME)
    assert owner.requests == []
    flowzoo.push_model(saved, NAME, private=True, licence="CC-BY-NC-4.0")
    assert owner.repositories["owner/digits"].private
    assert card_of(owner)[0]["license"] == "cc-by-nc-4.0"
    flowzoo.push_model(saved, NAME, private=True, licence="other")  # again, into the same repository
    with pytest.raises(OptionError, match="identifier"):
        flowzoo.push_model(saved, NAME, licence="all rights reserved!")


def test_images_without_an_open_licence_need_one_to_be_stated() -> None:
    for images in ("", "CelebA's agreement: non-commercial research only", "that of the images"):
        with pytest.raises(OptionError):
            choose_licence(None, images)
        assert choose_licence("other", images) == "other"


@pytest.mark.parametrize("at", ["preupload", "lfs/objects", "/commit/"])
def test_an_interrupted_push_leaves_what_was_there(
    owner: Hub, saved: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's tries
    flowzoo.push_model(saved, NAME, licence="mit")
    before = files_of(owner)
    owner.fails_at = at
    with pytest.raises(HubError, match="Try again"):
        flowzoo.push_model(saved, NAME, licence="apache-2.0")
    assert files_of(owner) == before
    owner.fails_at = ""
    flowzoo.push_model(saved, NAME, licence="apache-2.0")
    assert b"apache-2.0" in files_of(owner)["README.md"]


def test_who_may_not_write_is_told_so(hub: Hub, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, **options: bool) -> str:
        with pytest.raises(HubError) as caught:
            flowzoo.push_model(saved, name, licence="mit", **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "hf auth login" in refused(NAME)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert "permission" in refused("hf-hub:another/digits")
    assert "@v1" in refused(f"{NAME}@v1")
    hub.repositories["owner/digits"] = repository = Repository()
    repository.commit({"config.json": json.dumps({"architectures": ["Bert"]}).encode()})
    assert "another library" in refused(NAME)
    assert "public" in refused(NAME, private=True)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "Try again" in refused(NAME)
