"""A hub on this machine, with its own cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants

import flowzoo
from tests.hub.server import Hub, Repository


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub, of which the library gets to know; nobody is logged in."""
    made = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield made
    getattr(huggingface_hub, "close_session", lambda: None)()  # not in older versions
    made.stop()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a saved model."""
    model = flowzoo.create_model("realnvp", (1, 8, 8), bins=17, seed=0, levels=2)
    model.initialise([torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))])
    flowzoo.save_model(model, tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def shared(hub: Hub, saved: Path) -> str:
    """Return the commit of a model that ``owner/digits`` holds, among files that nobody must read."""
    hub.repositories["owner/digits"] = repository = Repository()
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    return repository.commit({**files, "README.md": b"# Digits", "pytorch_model.bin": b"a pickle"})
