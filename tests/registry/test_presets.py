"""Presets: defaults by name, which options beside them change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.cell import cells_of
from flowzoo.bench.suites import find_suite
from flowzoo.component import KINDS, Kind, Spec
from flowzoo.errors import OptionError, PluginError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.registry.loader import load_registry
from flowzoo.registry.models import create_model
from flowzoo.registry.options import resolve, resolve_spec
from flowzoo.runfolder import RunFolder
from flowzoo.training.start import start_run

REGISTRY = load_registry()
PRESETS = [
    (kind, each.name, preset)
    for kind in KINDS
    for each in REGISTRY.components(kind)
    for preset in each.presets
]


@pytest.mark.parametrize(("kind", "name", "preset"), PRESETS)
def test_every_preset_can_be_had_by_name(kind: Kind, name: str, preset: str) -> None:
    component = REGISTRY.find(kind, name)
    assert resolve(REGISTRY, component, {"preset": preset}) != resolve(REGISTRY, component, {})


def test_options_beside_a_preset_change_it() -> None:
    component = REGISTRY.find("model", "mrcnf")
    found = resolve(REGISTRY, component, {"preset": "paper", "bijector.blocks": 1, "levels": 2})
    assert (found["levels"], found["normalise"], found["precondition"]) == (2, "standardise", None)
    assert found["bijector"]["network"]["name"] == "conv-field"
    assert (found["bijector"]["blocks"], found["bijector"]["kinetic"]) == (1, 0.01)
    assert "preset" not in found


def test_short_names_are_those_of_the_preset_s_components() -> None:
    component = REGISTRY.find("model", "mrcnf")
    found = resolve(REGISTRY, component, {"preset": "paper", "bijector.blocks": 1, "hidden": 8})
    assert found["bijector"]["network"]["hidden"] == 8
    found = resolve(REGISTRY, component, {"preset": "paper", "*": {"hidden": 4}})
    assert found["bijector"]["network"]["hidden"] == 4


def test_a_nested_component_has_presets_too() -> None:
    registry = load_registry()
    glow = registry.find("bijector", "glow")
    object.__setattr__(glow, "presets", {"deep": {"steps": 32}})
    try:
        assert resolve_spec(registry, "bijector", {"name": "glow", "preset": "deep"}).options["steps"] == 32
        assert resolve_spec(registry, "bijector", Spec("glow", preset="deep", steps=3)).options["steps"] == 3
    finally:
        object.__setattr__(glow, "presets", {})


@pytest.mark.parametrize("preset", ["papr", 1, None, ["paper"]])
def test_a_preset_that_does_not_exist_is_refused_by_name(preset: object) -> None:
    with pytest.raises(OptionError, match=r"mrcnf.* preset.*presets: paper"):
        create_model("mrcnf", (1, 8, 8), preset=preset)


def test_a_misspelt_preset_option_gets_a_hint() -> None:
    with pytest.raises(OptionError, match=r"did you mean 'preset'\?"):
        create_model("mrcnf", (1, 8, 8), presets="paper")


def test_a_component_without_presets_says_so() -> None:
    with pytest.raises(OptionError, match="presets: none"):
        create_model("gaussian", (1, 8, 8), preset="paper")


def test_a_preset_with_an_option_that_does_not_exist_is_the_plugin_s_mistake() -> None:
    component = replace(REGISTRY.find("model", "pnf"), presets={"paper": {"normalize": "whiten"}})
    with pytest.raises(PluginError, match="normalize"):
        resolve(REGISTRY, component, {"preset": "paper"})


OF_PAPERS = {"celeba64", "cifar10", "imagenet32", "imagenet64"}
"""Suites of the papers' models whose names do not say so."""


@pytest.mark.parametrize(
    "suite",
    [
        each.name
        for each in REGISTRY.components("suite")
        if each.name.startswith("paper-") or each.name in OF_PAPERS
    ],
)
def test_suites_of_the_papers_models_use_the_papers_presets(suite: str) -> None:
    for cell in cells_of(find_suite(suite)):
        if "paper" in REGISTRY.find("model", cell.experiment.model).presets:
            assert cell.experiment.options.get("preset") == "paper", cell.label


def test_a_run_records_what_the_preset_stood_for(tmp_path: Path) -> None:
    asked = {
        "model": "wavelet-flow",
        "data": "digits",
        "options": {"preset": "paper", "levels": 2, "*": {"hidden": 4}},
        "budget": {"steps": 1},
        "training": {"validation_images": 8, "validations": 1},
    }
    start_run(tmp_path / "run", parse_experiment(asked), device="cpu")
    options = RunFolder(tmp_path / "run").read().experiment.options
    assert options["normalise"] == "standardise"
    assert "preset" not in options
