"""A saved model comes back as it was, or one line says why not."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import flowzoo
from flowzoo.digest import digest_of, digest_of_file
from flowzoo.errors import OptionError, PluginError, SavedModelError
from flowzoo.flow import Flow
from flowzoo.registry import saving
from flowzoo.registry.drift import UNCHECKED
from flowzoo.registry.loader import RESTRICTION, default_registry, load_registry
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model, save_model
from tests.registry.conftest import TOY

SHAPE = (1, 4, 4)


@pytest.fixture
def flow(toy) -> Flow:
    flow = create_model("toy", SHAPE, bins=17, pixels="logit", seed=0, bijector={"width": 3})
    flow.level(0).conditional.mask[1] = True
    return flow


@pytest.fixture
def folder(flow, tmp_path) -> Path:
    save_model(flow, tmp_path / "saved")
    return tmp_path / "saved"


def refused(folder: Path) -> str:
    with pytest.raises(SavedModelError) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(folder: Path, change) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def edit_and_sign(folder: Path, change) -> None:
    """Change the config as if the model had been saved so."""
    edit(folder, change)
    edit(folder, lambda config: config.update(recipe_sha256=digest_of(config["recipe"], compact=True)))


def rewrite_weights(folder: Path, change) -> None:
    """Change the weights, and the checksum with them."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
    edit(folder, lambda config: config.update(weights_sha256=digest_of_file(folder / "model.safetensors")))


def test_a_model_comes_back_as_it_was(flow, folder):
    loaded = load_model(folder)
    assert loaded.recipe == flow.recipe
    state = loaded.state_dict()
    assert state.keys() == flow.state_dict().keys()
    for name, tensor in flow.state_dict().items():
        assert torch.equal(state[name], tensor), name
        assert state[name].dtype == tensor.dtype
    x = torch.rand(3, *SHAPE)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))
    conditional = loaded.level(0).conditional
    assert conditional.log_scale is conditional.shared
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["saved", "site-packages"]


def test_the_dtype_is_kept(flow, tmp_path):
    save_model(flow.double(), tmp_path / "wide")
    loaded = load_model(tmp_path / "wide")
    assert loaded.dtype == torch.float64
    x = torch.rand(3, *SHAPE, dtype=torch.float64)
    assert torch.equal(loaded.log_prob(x), flow.log_prob(x))


def test_the_config_is_readable(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == 1
    assert config["flowzoo"] == flowzoo.__version__
    bijector, noise = {"name": "scale", "width": 3}, {"name": "uniform"}
    assert config["recipe"]["options"] == {
        "bijector": bijector,
        "dequantisation": noise,
        "classes": 0,
        "class_dropout": 0.1,
    }
    mask = os.umask(0)
    os.umask(mask)
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~mask}


def test_a_saved_model_is_replaced_at_once(flow, folder):
    with torch.no_grad():
        flow.level(0).conditional.log_scale.fill_(7.0)
    save_model(flow, folder)
    assert load_model(folder).level(0).conditional.log_scale.tolist() == [7.0] * 3
    assert sorted(path.name for path in folder.parent.iterdir()) == ["saved", "site-packages"]


def test_a_failed_save_leaves_what_was_there(flow, folder, monkeypatch):
    before = load_model(folder).state_dict()
    with torch.no_grad():
        flow.level(0).conditional.log_scale.fill_(7.0)
    rename = Path.rename

    def fail_on_draft(self: Path, target: Path) -> Path:
        if self.suffix == ".draft":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_draft)
    with pytest.raises(SavedModelError, match=r"cannot save a model to .*No space left on device"):
        save_model(flow, folder)
    after = load_model(folder).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["saved", "site-packages"]


def test_a_save_cut_short_between_its_two_renames_loses_nothing(folder):
    aside = folder.with_name(".saved.previous")
    folder.rename(aside)
    loaded = load_model(folder)
    assert aside.exists()
    assert not folder.exists()
    save_model(loaded, folder)
    load_model(folder)
    assert not aside.exists()


def test_a_model_is_loaded_while_another_process_replaces_it(folder, tmp_path, monkeypatch):
    other = create_model("toy", SHAPE, seed=1, bijector={"width": 5})
    read_recipe, replaced = saving._read_recipe, []

    def replace_after_the_config_is_read(source, config):
        recipe = read_recipe(source, config)
        if not replaced:
            replaced.append(source)
            save_model(other, folder)
        return recipe

    monkeypatch.setattr(saving, "_read_recipe", replace_after_the_config_is_read)
    assert load_model(folder).recipe == other.recipe


def test_writer_and_readers_do_not_harm_each_other(flow, folder):
    def write() -> None:
        for _ in range(15):
            save_model(flow, folder)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        while not writer.done():
            assert load_model(folder).recipe == flow.recipe
        writer.result()


def test_the_current_folder_can_be_loaded_and_not_replaced(flow, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load_model(".").recipe == flow.recipe
    with pytest.raises(SavedModelError, match="is the current folder, which cannot be replaced"):
        save_model(flow, ".")
    monkeypatch.chdir(folder.parent)
    save_model(flow, folder.name)


@pytest.mark.parametrize("name", ["", "/"])
def test_a_folder_without_a_name_is_refused(flow, name):
    message = f"^'{name}' is not a folder that can hold a model"
    with pytest.raises(SavedModelError, match=message):
        save_model(flow, name)
    with pytest.raises(SavedModelError, match=message):
        load_model(name)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 240, "nul\0"])
def test_a_name_that_the_file_system_refuses_is_one_line(flow, tmp_path, name):
    with pytest.raises(SavedModelError):
        save_model(flow, tmp_path / name)
    refused(tmp_path / name)


def test_a_symlink_stays_one(flow, folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    save_model(flow, link)
    assert link.is_symlink()
    assert load_model(link).recipe == load_model(folder).recipe == flow.recipe
    link.unlink()
    link.symlink_to(link)
    refused(link)


def test_parents_are_made_and_an_empty_folder_is_filled(flow, tmp_path):
    save_model(flow, tmp_path / "a" / "b")
    (tmp_path / "empty").mkdir()
    save_model(flow, str(tmp_path / "empty"))
    assert load_model(str(tmp_path / "empty")).recipe == load_model(tmp_path / "a" / "b").recipe


def test_what_is_no_saved_model_is_not_overwritten(flow, folder, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").touch()
    with pytest.raises(SavedModelError, match="holds other files"):
        save_model(flow, tmp_path / "photos")
    (tmp_path / "photos" / "config.json").write_text("{}")
    with pytest.raises(SavedModelError, match="states no format"):
        save_model(flow, tmp_path / "photos")
    (tmp_path / "file").touch()
    with pytest.raises(SavedModelError, match="is a file"):
        save_model(flow, tmp_path / "file")
    (folder / ".DS_Store").touch()
    save_model(flow, folder)
    (folder / "notes.txt").touch()
    with pytest.raises(SavedModelError, match=r"would delete 'notes\.txt'"):
        save_model(flow, folder)
    with pytest.raises(SavedModelError, match="cannot save a model to"):
        save_model(flow, tmp_path / "file" / "inside")


def test_a_model_without_recipe_cannot_be_saved(flow, tmp_path):
    flow.recipe = None
    with pytest.raises(SavedModelError, match="create_model"):
        save_model(flow, tmp_path / "saved")


def test_missing_and_damaged_folders(folder, tmp_path):
    assert "does not exist" in refused(tmp_path / "nowhere")
    assert "has no config.json" in refused(tmp_path)
    (folder / "config.json").write_text("{oops")
    assert "config.json is damaged: Expecting property name" in refused(folder)
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    assert "config.json is damaged" in refused(folder)
    (folder / "config.json").write_text("[]")
    assert "states no format" in refused(folder)


def test_a_format_of_another_version(folder):
    edit(folder, lambda config: config.update(format=2, flowzoo="9.0"))
    assert "config.json has format 2" in refused(folder)


def test_a_recipe_that_lacks_something(folder):
    edit(folder, lambda config: config["recipe"].pop("bins"))
    assert "config.json is damaged: recipe.bins: Field required" in refused(folder)
    edit(folder, lambda config: config.pop("recipe"))
    assert "config.json is damaged: recipe:" in refused(folder)


def test_a_plugin_that_is_not_installed(folder, monkeypatch):
    monkeypatch.setenv(RESTRICTION, "")
    default_registry.cache_clear()
    message = "needs flowzoo-toy 1.0, which FLOWZOO_PLUGINS leaves out"
    assert message in refused(folder)
    with pytest.raises(SavedModelError, match="leaves out"):
        load_model(folder, registry=load_registry())
    shutil.rmtree(folder.parent / "site-packages")
    default_registry.cache_clear()
    assert "needs flowzoo-toy 1.0, which is not installed; pip install flowzoo-toy" in refused(folder)


def reinstall(toy, folder: Path, **changes) -> None:
    site = folder.parent / "site-packages"
    shutil.rmtree(site)
    site.mkdir()
    toy(**changes)


def test_a_plugin_that_fails_to_load(toy, folder):
    reinstall(toy, folder, source="1 / 0")
    assert "which failed to load: ZeroDivisionError: division by zero" in refused(folder)


def test_a_newer_plugin_of_the_same_revision_fits(toy, folder, flow):
    reinstall(toy, folder, version="1.1")
    loaded = load_model(folder)
    assert loaded.recipe is not None
    assert loaded.recipe.plugins["flowzoo-toy"] == "1.1"
    assert loaded.recipe.options == flow.recipe.options


def test_another_revision_does_not_fit(toy, folder):
    reinstall(toy, folder, version="2.0", revision=2)
    message = refused(folder)
    assert "was saved with revision 1 of bijector 'scale' (flowzoo-toy 1.0); 2.0 has revision 2" in message
    assert "pip install flowzoo-toy==1.0, or train the model again" in message


def test_a_lower_revision_does_not_fit_either(toy, folder, flow, tmp_path):
    reinstall(toy, folder, version="2.0", revision=2)
    save_model(create_model("toy", SHAPE, bins=17), tmp_path / "newer")
    reinstall(toy, folder)
    assert "revision 2 of bijector 'scale' (flowzoo-toy 2.0); 1.0 has revision 1" in refused(
        tmp_path / "newer"
    )


def test_another_revision_under_the_same_version_says_so(toy, folder):
    reinstall(toy, folder, revision=2)
    assert "install flowzoo-toy as it was then, or train the model again" in refused(folder)


def test_a_distribution_s_name_may_be_written_in_other_ways(toy, install_plugin, folder, flow):
    site = folder.parent / "site-packages"
    info = next(site.glob("*.dist-info/METADATA"))
    info.write_text(info.read_text().replace("flowzoo-toy", "Flowzoo_Toy"))
    default_registry.cache_clear()
    loaded = load_model(folder)
    assert loaded.recipe.plugins["Flowzoo_Toy"] == "1.0"
    reinstall(toy, folder, version="2.0", revision=2)
    edit_and_sign(folder, lambda config: config["recipe"].update(plugins={"Flowzoo_Toy": "1.0"}))
    assert "pip install flowzoo-toy==1.0, or train" in refused(folder)


def test_another_version_of_the_same_revision_is_noted(toy, folder, caplog):
    load_model(folder)
    assert caplog.messages == []
    reinstall(toy, folder, version="1.1")
    load_model(folder)
    assert caplog.messages == [f"{folder} was saved with flowzoo-toy 1.0 (1.1 now)"]
    caplog.clear()
    load_model(folder, check=False)
    assert caplog.messages == []


def test_versions_of_flowzoo_and_torch_are_noted(folder, caplog):
    def older(config):
        config["versions"].update(flowzoo="0.0.1", torch="1.0")
        config["recipe"]["plugins"]["flowzoo"] = "0.0.1"

    edit_and_sign(folder, older)
    load_model(folder)
    (message,) = caplog.messages
    assert f"flowzoo 0.0.1 ({flowzoo.__version__} now), torch 1.0 (" in message


OTHER = TOY.replace("(total * x[0].numel())", "(total * x[0].numel() * 1.01)")
assert OTHER != TOY


def test_a_changed_computation_under_the_same_revision_is_refused(toy, folder, monkeypatch):
    reinstall(toy, folder, source=OTHER)
    message = refused(folder)
    assert "computes something else than when it was saved" in message
    assert "bits/dim off on the stored images in the conditional of level 0" in message
    assert "bijector 'scale', model 'toy' of flowzoo-toy 1.0 (files differ now) may have changed" in message
    assert "install flowzoo-toy as it was then" in message
    assert "check=False" in message
    load_model(folder, check=False)
    monkeypatch.setenv(UNCHECKED, "1")
    load_model(folder)


def test_a_changed_computation_of_another_version_names_the_one_to_install(toy, folder):
    reinstall(toy, folder, source=OTHER, version="1.1")
    message = refused(folder)
    assert "of flowzoo-toy 1.0 (1.1 now) may have changed without a new revision" in message
    assert "pip install flowzoo-toy==1.0" in message


def test_a_model_that_fails_on_its_images_is_refused(toy, folder):
    total = "total = self.log_scale.sum()"
    reinstall(toy, folder, source=TOY.replace(total, "total = 1 / 0"))
    assert "it fails on the stored images (ZeroDivisionError: division by zero)" in refused(folder)
    reinstall(
        toy, folder, source=TOY.replace("total = self.log_scale.sum()", "total = x.sum() * float('inf')")
    )
    assert "it fails on the stored images (NumericalError: " in refused(folder)


def test_what_was_saved_before_there_were_probes_loads(folder, flow):
    def strip(config):
        for key in ("probe", "versions", "fingerprints"):
            del config[key]
        del config["recipe"]["owners"]

    edit_and_sign(folder, strip)
    assert load_model(folder).recipe == flow.recipe


def test_what_was_saved_before_is_bound_to_its_distributions(toy, install_plugin, folder, flow):
    edit_and_sign(folder, lambda config: config["recipe"].pop("owners"))
    install_plugin("flowzoo-twin", TOY.replace("flowzoo_toy", "flowzoo_twin").replace("{revision}", "7"))
    assert load_model(folder).recipe.plugins["flowzoo-toy"] == "1.0"


def test_a_model_finds_its_parts_when_another_plugin_takes_their_names(toy, install_plugin, folder, flow):
    other = TOY.replace("flowzoo_toy", "flowzoo_twin").replace("{revision}", "7")
    install_plugin("flowzoo-twin", other)
    loaded = load_model(folder)
    assert set(loaded.recipe.plugins) == {"flowzoo", "flowzoo-toy"}
    with pytest.raises(PluginError, match="use flowzoo-toy/toy or flowzoo-twin/toy"):
        create_model("toy", SHAPE)


def test_qualified_names_are_saved_where_they_are_needed(toy, install_plugin, folder):
    install_plugin("flowzoo-twin", TOY.replace("flowzoo_toy", "flowzoo_twin").replace("{revision}", "7"))
    mixed = create_model("flowzoo-toy/toy", SHAPE, bijector={"name": "flowzoo-twin/scale", "width": 4})
    recipe = mixed.recipe
    assert recipe.model == "flowzoo-toy/toy"
    assert recipe.options["bijector"] == {"name": "flowzoo-twin/scale", "width": 4}
    assert recipe.revisions == {
        "bijector:affine": 1,
        "bijector:flowzoo-twin/scale": 7,
        "model:flowzoo-toy/toy": 1,
    }
    own = create_model("flowzoo-twin/toy", SHAPE).recipe
    assert own.options["bijector"]["name"] == "flowzoo-twin/scale", "a plugin's defaults are its own"
    save_model(mixed, folder)
    loaded = load_model(folder)
    assert loaded.recipe == recipe
    x = torch.rand(3, *SHAPE)
    assert torch.equal(loaded.log_prob(x), mixed.log_prob(x))


@pytest.mark.parametrize(
    "damage",
    [
        {"images": "no base64"},
        {"images": "eJwDAAAAAAE="},
        {"images": 3},
        {"rows": {}},
        {"rows": {"bits/dim": {"values": [1.0], "tolerance": 1.0}}},
        {"memory": [3]},
    ],
)
def test_a_damaged_probe(folder, damage):
    edit(folder, lambda config: config["probe"].update(damage))
    assert "is damaged: " in refused(folder)


def test_a_component_that_is_gone(toy, folder):
    edit_and_sign(folder, lambda config: config["recipe"]["revisions"].update({"bijector:gone": 1}))
    assert "does not fit what is installed: no bijector 'gone'" in refused(folder)
    edit_and_sign(folder, lambda config: config["recipe"]["revisions"].update({"bijectors:gone": 1}))
    assert "does not fit what is installed" in refused(folder)


def test_options_that_no_longer_fit(folder):
    edit_and_sign(folder, lambda config: config["recipe"]["options"]["bijector"].update(width=0))
    assert "does not fit what is installed: bijector 'scale': option 'width' is 0" in refused(folder)


@pytest.mark.parametrize("change", [{"bins": 18}, {"image_shape": [1, 8, 8]}, {"plugins": {}}])
def test_a_recipe_edited_by_hand_is_refused(folder, change):
    edit(folder, lambda config: config["recipe"].update(change))
    assert "config.json was edited: its recipe is not the one that was saved; undo the edit" in refused(
        folder
    )


def test_a_config_that_is_only_laid_out_anew_still_loads(folder, flow):
    edit(folder, lambda config: None)
    assert load_model(folder).recipe == flow.recipe


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_weights_cut_short(folder, keep):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:keep])
    assert "model.safetensors is damaged" in refused(folder)


def test_weights_with_one_bit_flipped(folder):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert "is not the file that was saved: its sha256 differs" in refused(folder)


def test_weights_that_are_missing(folder):
    (folder / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refused(folder)


def test_weights_that_do_not_match(folder):
    name = "levels.0.conditional.log_scale"
    rewrite_weights(folder, lambda weights: weights.update({name: torch.zeros(4)}))
    assert f"'{name}' has shape (4,) in the weights, and (3,) in the installed model" in refused(folder)
    rewrite_weights(folder, lambda weights: weights.update({name: torch.zeros(3), "extra": torch.zeros(1)}))
    assert "the weights hold 'extra', which the installed model lacks" in refused(folder)
    rewrite_weights(folder, lambda weights: weights.pop(name))
    assert f"the weights lack '{name}', which the installed model has" in refused(folder)


def test_a_device_that_is_not_there(folder):
    with pytest.raises(OptionError, match="cannot move the model to device 'cuda:99'"):
        load_model(folder, device="cuda:99")
    with pytest.raises(OptionError, match="cannot move the model to device 'tpuu'"):
        load_model(folder, device="tpuu")
