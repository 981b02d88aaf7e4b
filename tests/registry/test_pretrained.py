"""Trained models that plugins ship: how they are found, named and loaded."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.errors import SavedModelError
from flowzoo.registry.loader import RESTRICTION, default_registry

PLUGIN = """
import flowzoo.api
flowzoo_api_version = 2

@flowzoo.api.hookimpl
def flowzoo_components():
    return []
"""

Ship = Callable[[str, str, int], Path]


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ship]:
    """Return ``ship(distribution, name, seed)``, which installs a plugin with one trained model."""
    shipped: list[str] = []

    def install(distribution: str, name: str, seed: int = 0) -> Path:
        package = tmp_path / distribution.replace("-", "_")
        package.mkdir()
        (package / "__init__.py").write_text(PLUGIN)
        info = tmp_path / f"{package.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[flowzoo]\n{distribution} = {package.name}\n")
        model = flowzoo.create_model("gaussian", (1, 4, 4), bins=16)
        images = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
        model.initialise([images])
        flowzoo.save_model(model, package / "pretrained" / name)
        shipped.append(distribution)
        monkeypatch.setenv(RESTRICTION, ",".join(shipped))
        importlib.invalidate_caches()
        default_registry.cache_clear()
        return package / "pretrained" / name

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(RESTRICTION, "")
    default_registry.cache_clear()
    yield install
    for distribution in shipped:
        sys.modules.pop(distribution.replace("-", "_"), None)
    default_registry.cache_clear()


def test_a_shipped_model_is_found_and_loaded_by_name(ship: Ship, tmp_path: Path) -> None:
    folder = ship("flowzoo-mine", "gaussian.noise", 0)
    (folder.parent / "notes").mkdir()
    assert flowzoo.list_pretrained() == flowzoo.list_pretrained("gauss*") == ["gaussian.noise"]
    assert flowzoo.list_pretrained("glow*") == []
    by_name, by_path = flowzoo.load_model("gaussian.noise"), flowzoo.load_model(folder)
    assert torch.equal(by_name.sample(3, seed=0), by_path.sample(3, seed=0))
    result = CliRunner().invoke(app, ["sample", "gaussian.noise", "-o", str(tmp_path / "out.png")])
    assert result.exit_code == 0, result.output


def test_two_plugins_with_one_name_are_told_apart(ship: Ship) -> None:
    ship("flowzoo-mine", "gaussian.noise", 0)
    other = ship("flowzoo-yours", "gaussian.noise", 1)
    names = ["flowzoo-mine/gaussian.noise", "flowzoo-yours/gaussian.noise"]
    assert flowzoo.list_pretrained() == names
    loaded = flowzoo.load_model("flowzoo-yours/gaussian.noise")
    assert torch.equal(loaded.sample(3, seed=0), flowzoo.load_model(other).sample(3, seed=0))
    with pytest.raises(SavedModelError, match=names[0]):
        flowzoo.load_model("gaussian.noise")


def test_a_name_that_does_not_exist_suggests_one(ship: Ship) -> None:
    ship("flowzoo-mine", "gaussian.noise", 0)
    with pytest.raises(SavedModelError, match=r"did you mean 'gaussian.noise'"):
        flowzoo.load_model("gaussian.nose")


def test_a_folder_goes_before_a_name(ship: Ship, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship("flowzoo-mine", "gaussian.noise", 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gaussian.noise").mkdir()
    with pytest.raises(SavedModelError, match=r"no config\.json"):
        flowzoo.load_model("gaussian.noise")


def test_damage_is_told_with_the_name(ship: Ship) -> None:
    folder = ship("flowzoo-mine", "gaussian.noise", 0)
    (folder / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(SavedModelError, match=r"^gaussian.noise/model.safetensors"):
        flowzoo.load_model("gaussian.noise")


def test_the_list_shows_figures_and_conditions(ship: Ship) -> None:
    folder = ship("flowzoo-mine", "gaussian.noise", 0)
    figure = {"bits_per_dim": 1.5, "standard_error": 0.25, "valid": True}
    figure |= {"images": 360, "split": "test", "data": "noise"}
    (folder / "evaluation-test.json").write_text(json.dumps(figure))
    shown = CliRunner().invoke(app, ["list", "--pretrained"]).stdout
    for stated in ("gaussian.noise", "1.500 ± 0.250", "360 test images of noise", "flowzoo-mine 1.0"):
        assert stated in shown
    (found,) = json.loads(CliRunner().invoke(app, ["list", "--pretrained", "--json"]).stdout)
    assert found["evaluation"] == figure
    (folder / "evaluation-test.json").write_text("{")
    assert "not measured" in CliRunner().invoke(app, ["list", "--pretrained"]).stdout
    assert CliRunner().invoke(app, ["list", "--pretrained", "--kind", "model"]).exit_code == 2
    assert "pip install" in CliRunner().invoke(app, ["list", "--pretrained", "x*"]).stderr


def test_listing_imports_no_torch() -> None:
    code = "import sys, flowzoo; flowzoo.list_pretrained(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
