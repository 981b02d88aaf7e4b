"""Models from the hub, from a server on this machine and from the cache."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.errors import HubError, SavedModelError
from flowzoo.hub.name import parse_hub_name
from tests.hub.server import Hub, Repository


def same(one: flowzoo.Flow, other: flowzoo.Flow) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def refused(name: str) -> str:
    with pytest.raises(HubError) as caught:
        flowzoo.load_model(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nothing listens


def test_a_model_is_loaded_by_name_and_no_other_file_is_read(hub: Hub, shared: str, saved: Path) -> None:
    model = flowzoo.load_model("hf-hub:owner/digits")
    assert same(model, flowzoo.load_model(saved))
    asked = {request.rpartition("/")[2] for request in hub.requests if "/resolve/" in request}
    assert asked == {"config.json", "model.safetensors"}


def test_a_revision_stays_what_it_is(hub: Hub, shared: str, saved: Path) -> None:
    hub.repositories["owner/digits"].tags["v1"] = shared
    other = flowzoo.create_model("realnvp", (1, 8, 8), bins=17, seed=1, levels=2)
    flowzoo.save_model(other, saved.with_name("other"))
    hub.repositories["owner/digits"].commit(
        {each.name: each.read_bytes() for each in (saved.with_name("other")).iterdir()}
    )
    for revision in (shared, "v1"):
        assert same(flowzoo.load_model(f"hf-hub:owner/digits@{revision}"), flowzoo.load_model(saved))
    assert same(flowzoo.load_model("hf-hub:owner/digits"), other)


def test_a_commit_in_the_cache_needs_no_request(hub: Hub, shared: str) -> None:
    flowzoo.load_model(f"hf-hub:owner/digits@{shared}")
    hub.requests.clear()
    flowzoo.load_model(f"hf-hub:owner/digits@{shared}")
    assert hub.requests == []


def test_without_a_network_the_cache_is_used(hub: Hub, shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = flowzoo.load_model("hf-hub:owner/digits")
    go_offline(monkeypatch)
    assert same(flowzoo.load_model("hf-hub:owner/digits"), model)
    assert "owner/other" in refused("hf-hub:owner/other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert same(flowzoo.load_model("hf-hub:owner/digits"), model)


def test_a_hub_out_of_order_is_no_reason_to_fail(hub: Hub, shared: str) -> None:
    flowzoo.load_model("hf-hub:owner/digits")
    hub.fails_at = "/api/models"
    flowzoo.load_model("hf-hub:owner/digits")


def test_what_cannot_be_read_is_named(hub: Hub, shared: str) -> None:
    hub.repositories["owner/private"] = private = Repository(private=True)
    hub.repositories["owner/gated"] = gated = Repository(gated=True)
    for each in (private, gated):
        each.commit(dict(hub.repositories["owner/digits"].commits[-1][1]))
    assert "hf auth login" in refused("hf-hub:owner/private")
    assert "gated" in refused("hf-hub:owner/gated")
    assert "owner/nothing" in refused("hf-hub:owner/nothing")
    assert "'v9'" in refused("hf-hub:owner/digits@v9")


def test_who_is_logged_in_reads_private_models(
    hub: Hub, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["owner/digits"].private = True
    monkeypatch.setenv("HF_TOKEN", hub.token)
    flowzoo.load_model("hf-hub:owner/digits")
    assert "owner/nothing" in refused("hf-hub:owner/nothing")


@pytest.mark.parametrize(
    "name", ["hf-hub:", "hf-hub:digits", "hf-hub:a/b/c", "hf-hub:a/b@", "hf-hub:../b", "hf-hub:a/b@.."]
)
def test_a_malformed_name_is_refused_before_any_request(hub: Hub, name: str) -> None:
    refused(name)
    assert hub.requests == []


def test_names_are_read_and_written() -> None:
    for text in ("hf-hub:owner/name", "hf-hub:owner/na.me-1@refs/pr/1"):
        assert str(parse_hub_name(text)) == text


def test_a_repository_without_a_model_is_refused_before_its_weights(hub: Hub, shared: str) -> None:
    hub.repositories["owner/empty"] = empty = Repository()
    empty.commit({"README.md": b""})
    hub.repositories["owner/bert"] = bert = Repository()
    bert.commit(
        {"config.json": json.dumps({"architectures": ["Bert"]}).encode(), "model.safetensors": b"1" * 9}
    )
    assert "config.json" in refused("hf-hub:owner/empty")
    assert "config.json" in refused("hf-hub:owner/bert")
    assert not any(request.endswith("owner/bert/resolve/main/model.safetensors") for request in hub.requests)


def test_weights_of_another_model_are_refused(hub: Hub, shared: str) -> None:
    hub.repositories["owner/digits"].commit({"model.safetensors": b"other weights"})
    assert "sha256" in refused("hf-hub:owner/digits")


def test_a_file_that_was_cut_short_in_the_cache_is_downloaded_again(
    hub: Hub, shared: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowzoo.load_model("hf-hub:owner/digits")
    cached = next(Path(constants.HF_HUB_CACHE).rglob("model.safetensors")).resolve()
    whole = cached.read_bytes()
    cached.write_bytes(whole[:-8])
    assert same(flowzoo.load_model("hf-hub:owner/digits"), flowzoo.load_model(saved))
    assert cached.read_bytes() == whole
    cached.write_bytes(whole[:-8])
    hub.cuts = True
    assert "sha256" in refused("hf-hub:owner/digits")
    go_offline(monkeypatch)
    assert "Connect to the network" in refused("hf-hub:owner/digits")


def test_a_missing_plugin_is_named_with_how_to_install_it(hub: Hub, saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    config["versions"]["flowzoo-missing"] = "0.3"
    hub.repositories["owner/digits"] = repository = Repository()
    weights = (saved / "model.safetensors").read_bytes()
    repository.commit({"config.json": json.dumps(config).encode(), "model.safetensors": weights})
    with pytest.raises(SavedModelError, match=r"^hf-hub:owner/digits needs .*pip install flowzoo-missing"):
        flowzoo.load_model("hf-hub:owner/digits")


def test_without_the_library_the_pip_command_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'flowzoo[hub]'" in refused("hf-hub:owner/digits")


def test_commands_take_names(hub: Hub, shared: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["sample", f"hf-hub:owner/digits@{shared}", "-n", "1", "-o", str(tmp_path / "out.png")]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.png").is_file()
    result = CliRunner().invoke(
        app,
        ["evaluate", "hf-hub:owner/digits", "--data", "digits", "--images", "2", "--no-audit", "--no-floor"],
    )
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["sample", "hf-hub:owner/nothing", "-o", str(tmp_path / "out.png")])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
