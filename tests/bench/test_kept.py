"""A result that is kept says what has changed since it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.kept import changed_since
from flowzoo.bench.plan import Planner
from flowzoo.bench.result import DataFacts, Environment, Result, Spent
from flowzoo.bench.runner import Runner
from flowzoo.bench.store import suite_folder
from flowzoo.bench.suite import parse_suite
from flowzoo.bench.suites import find_suite
from flowzoo.bench.watcher import SilentWatcher
from flowzoo.cli.suite_progress import SuiteProgress
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import Provenance, find_key

THEN = Environment(
    device="cpu",
    hardware={},
    precision="float32",
    threads=1,
    jobs=1,
    versions={"python": "3.11.1", "torch": "2.6.0+cu124", "flowzoo": "0.1.0", "numpy": "2.0"},
    plugins={"flowzoo": "0.1.0", "flowzoo-x": "0.1", "Flowzoo_Y": "2.0"},
    fingerprints={"flowzoo": "a", "flowzoo-x": "b"},
)
NOW = Provenance(
    versions={"flowzoo": "0.1.0", "torch": "2.6.0", "flowzoo-x": "0.1", "flowzoo-y": "2.0"},
    fingerprints={"flowzoo": "a", "flowzoo-x": "b", "flowzoo-y": "c"},
)


def result(environment: Environment | None) -> Result:
    asked = Experiment("glow", "digits", Budget(steps=1))
    rest = ({}, 1, DataFacts("digits"), Spent())
    return Result("key", "quick", "glow", asked, "finished", "", *rest, environment=environment)


@pytest.mark.parametrize(
    ("versions", "fingerprints", "said"),
    [
        ({}, {}, ""),
        ({"flowzoo": "0.2.0"}, {"flowzoo": "z"}, "flowzoo 0.1.0 (0.2.0 now)"),
        ({"torch": "2.7.1"}, {}, "torch 2.6.0+cu124 (2.7.1 now)"),
        ({"flowzoo-x": "0.2"}, {}, "flowzoo-x 0.1 (0.2 now)"),
        ({"flowzoo-x": "0.0.9"}, {}, "flowzoo-x 0.1 (0.0.9 now)"),
        ({"flowzoo-y": "2.1"}, {}, "Flowzoo_Y 2.0 (2.1 now)"),
        ({}, {"flowzoo-x": "z"}, "flowzoo-x 0.1 (files differ now)"),
        ({}, {"flowzoo-y": "z"}, ""),
        ({"torch": "3"}, {"flowzoo-x": "z"}, "torch 2.6.0+cu124 (3 now), flowzoo-x 0.1 (files differ now)"),
    ],
)
def test_versions_and_files_that_differ_are_named(
    versions: dict[str, str], fingerprints: dict[str, str], said: str
) -> None:
    now = Provenance(versions={**NOW.versions, **versions}, fingerprints={**NOW.fingerprints, **fingerprints})
    assert changed_since(result(THEN), now) == said


def test_a_result_from_before_fingerprints_or_without_an_environment_says_what_is_known() -> None:
    old = replace(THEN, fingerprints={})
    assert changed_since(result(old), NOW) == ""
    assert changed_since(result(old), replace(NOW, versions={**NOW.versions, "flowzoo-x": "1"})) != ""
    assert changed_since(result(None), NOW) == ""


class Told(SilentWatcher):
    """Remembers what it is told of results that are kept."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ended(self, cell: Cell, result: Result) -> None:
        self.told.append("ran")

    def skipped(self, cell: Cell, result: Result) -> None:
        self.told.append("as before")

    def outdated(self, cell: Cell, result: Result, changed: str) -> None:
        self.told.append(changed)


def run(out: Path) -> list[str]:
    content = {
        "summary": "For the tests",
        "models": ["flowzoo-odd/odd-good"],
        "data": ["flowzoo/digits"],
        "budget": {"steps": 2},
        "training": {"batch_size": 16, "validations": 1, "validation_images": 16},
        "metrics": ["flowzoo/parameters"],
        "threads": 1,
        "samples": 0,
    }
    told = Told()
    (found,) = Runner(out, device="cpu", watcher=told).run(cells_of(parse_suite("mine", content)))
    assert (found.model, found.data.name, list(found.metrics)) == ("odd-good", "digits", ["parameters"])
    assert found.environment is not None
    assert set(found.environment.fingerprints) == {"flowzoo", "flowzoo-odd"}
    return told.told


def test_a_cell_of_a_plugin_whose_files_changed_is_kept_and_says_so(odd_plugin: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "out") == ["ran"]
    assert run(tmp_path / "out") == ["as before"]

    with (odd_plugin / "flowzoo_odd" / "models.py").open("a") as file:
        file.write("\n# another way to compute the same\n")
    default_registry.cache_clear()
    assert run(tmp_path / "out") == ["flowzoo-odd 0.1.0 (files differ now)"]


def test_the_line_of_a_kept_cell_says_what_it_was_made_with(capsys: pytest.CaptureFixture[str]) -> None:
    cell = cells_of(
        parse_suite(
            "mine",
            {
                "summary": "S",
                "models": ["gaussian"],
                "data": ["digits"],
                "budget": {"steps": 1},
                "metrics": ["parameters"],
            },
        )
    )[0]
    with SuiteProgress("mine", 2) as progress:
        progress.outdated(cell, result(THEN), "flowzoo-x 0.1 (files differ now)")
        progress.skipped(cell, result(THEN))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("finished (kept from before; made with flowzoo-x 0.1 (files differ now))")
    assert lines[1].endswith("finished (kept from before)")


def test_a_suite_of_a_plugin_is_found_by_its_qualified_name(odd_plugin: Path) -> None:
    suite = find_suite("Flowzoo_Odd/odd-suite")
    assert suite.name == "odd-suite"
    assert suite_folder(Path("out"), suite.name) == Path("out/odd-suite")
    assert suite_folder(Path("out"), "flowzoo-odd/odd-suite") == Path("out/flowzoo-odd-odd-suite")


@pytest.mark.parametrize(
    "changed",
    ["metric:parameters", "dataset:digits", "bijector:affine", "split:keep-nothing", "network:residual-conv"],
)
def test_a_raised_revision_makes_a_new_cell(changed: str) -> None:
    content = {
        "summary": "S",
        "models": [{"name": "realnvp", "pixels": "affine"}],
        "data": ["digits"],
        "budget": {"steps": 1},
        "metrics": ["parameters"],
    }
    (cell,) = cells_of(parse_suite("mine", content))
    planner = Planner("cpu")
    before = planner.plan(cell).key
    component = find_key(default_registry(), changed)
    revision = component.revision
    object.__setattr__(component, "revision", revision + 1)
    try:
        assert planner.plan(cell).key != before
    finally:
        object.__setattr__(component, "revision", revision)
    assert planner.plan(cell).key == before
