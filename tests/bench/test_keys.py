"""Keys stay what they were, so that recorded results are found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest

from flowzoo.bench.cell import cells_of
from flowzoo.bench.plan import Planner, described_metric
from flowzoo.bench.result import read_result
from flowzoo.bench.suite import parse_suite
from flowzoo.bench.suites import find_suite
from flowzoo.component import Added
from flowzoo.experiment.training_options import TrainingOptions

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECORDED = BENCHMARKS / "results" / "suites"
QUICK = RECORDED / "quick"

SECONDS = {"gaussian": "a435532e2d81576e", "glow": "7aa6c044ba0c3212", "rnode": "ee71017d04e85c2f"}
"""Keys of the suite equal-time, whose budget is in seconds."""

IMAGES = {
    "models": [
        {
            "name": "glow",
            "options": {"levels": 1, "normalise": "standardise"},
            "pixels": "affine",
            "training": {"clip": 5.0},
        }
    ],
    "data": [{"name": "digits", "label": "small", "published": "Digits"}],
    "budget": {"images": 1000},
    "seeds": [3],
    "training": {"batch_size": 16},
    "metrics": ["parameters", {"name": "bits-per-dim", "images": 30}],
    "threads": 1,
    "summary": "For the tests",
}


SEEDS = [0, 5]
"""Seeds whose records are looked at: keys of the others are computed in the same way."""

FAST = {"gaussian", "realnvp", "mrcnf", "msflow-image", "msflow-image, as published", "rnode, steer"}
"""Rows of quick whose models are built in no time."""


def test_recorded_results_have_the_keys_of_their_cells() -> None:
    found = [json.loads(path.read_text()) for path in QUICK.glob("*[0-9a-f].json")]
    first = [each for each in found if each["experiment"]["seed"] == 0]
    recorded = {each["label"]: each["key"] for each in first if each["label"] in FAST}
    planner = Planner("cpu")
    cells = [cell for cell in cells_of(find_suite("quick")) if cell.label in FAST]
    assert {cell.label: planner.plan(cell).key for cell in cells} == recorded
    assert recorded.keys() == FAST


@pytest.mark.parametrize("suite", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_results_give_their_keys_again(suite: str) -> None:
    file = BENCHMARKS / "suites" / f"{suite}.yaml"
    asked = find_suite(str(file) if file.exists() else suite).model_copy(update={"seeds": SEEDS})
    cells = {
        (cell.data_label or cell.experiment.data, cell.label, cell.experiment.seed): cell
        for cell in cells_of(asked)
    }
    of_seeds = (path for seed in SEEDS for path in (RECORDED / suite).glob(f"*--seed{seed}--*[0-9a-f].json"))
    for path in sorted(of_seeds):
        result = read_result(json.loads(path.read_text()))
        if file.exists() and result.row[1:] not in cells:
            continue  # a plugin of an example, which is not installed
        cell, data = cells[result.row[1:]], result.data
        metrics = [described_metric(label, *asked) for label, asked in cell.metrics.items()]
        if json.loads(path.read_text())["schema"] == 1:  # from before the density audit
            likelihood = next(each for each in metrics if each["name"] == "bits-per-dim")
            likelihood["revision"] = 1
            del likelihood["options"]["audit_seconds"]
        assert result.environment is not None
        key = result.experiment.key(
            components=result.components,
            data=[data.name, data.revision, data.shape, data.bins],
            metrics=metrics,
            device=result.environment.device,
            threads=cell.threads,
        )
        assert key == result.key, path.name


def test_a_training_option_that_is_added_changes_no_key_at_its_default() -> None:
    class Later(TrainingOptions):
        clip_twice: Annotated[bool, Added(before=False)] = False

    before, same = TrainingOptions(batch_size=8), Later(batch_size=8)
    assert same.decisive() == before.decisive() != Later(batch_size=8, clip_twice=True).decisive()


def test_keys_of_budgets_in_seconds_stay() -> None:
    planner = Planner("cpu")
    cells = [cell for cell in cells_of(find_suite("equal-time")) if cell.label in SECONDS]
    assert {cell.label: planner.plan(cell).key for cell in cells} == SECONDS


@pytest.mark.parametrize(("device", "key"), [("cpu", "06d47463d8adf3ab"), ("cuda", "0bc4b76880f29821")])
def test_keys_of_budgets_in_images_stay(device: str, key: str) -> None:
    (cell,) = cells_of(parse_suite("images", IMAGES))
    assert Planner(device).plan(cell).key == key
