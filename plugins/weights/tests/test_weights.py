"""The models that this distribution ships: each loads, and has the figure that is stored beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowzoo
import flowzoo_weights
from flowzoo.evaluation.report import read_evaluation

FOLDER = Path(flowzoo_weights.__file__).parent / "pretrained"
SHIPPED = sorted(each.name for each in FOLDER.iterdir())


def test_all_are_found() -> None:
    assert len(SHIPPED) >= 3
    assert set(flowzoo.list_pretrained()) >= set(SHIPPED)


def test_they_are_small() -> None:
    assert sum(each.stat().st_size for each in FOLDER.rglob("*") if each.is_file()) < 10_000_000


@pytest.mark.parametrize("name", SHIPPED)
def test_a_stored_figure_holds(name: str) -> None:
    stored = read_evaluation(FOLDER / name / "evaluation-test.json")
    assert stored.valid
    assert stored.gaussian_bits_per_dim is not None
    assert stored.bits_per_dim < stored.gaussian_bits_per_dim
    # Loading compares the likelihood of the images that are stored with the model.
    if stored.solver or stored.images > 1000:
        flowzoo.load_model(name)
        return
    found = flowzoo.evaluate(name, stored.data, audit=False, floor=False, device="cpu", batch_size=300)
    assert found.bits_per_dim == pytest.approx(stored.bits_per_dim, abs=1e-4)


@pytest.mark.parametrize("name", SHIPPED)
def test_samples_lie_among_pixels(name: str) -> None:
    model = flowzoo.load_model(name)
    images = model.sample(4, seed=0)
    assert images.shape == (4, *model.image_shape)
    assert 0.1 < float(images.mean()) < 0.6
