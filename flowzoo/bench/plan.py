"""Planning a cell: what it comes to once every default is filled in, and the key that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowzoo.bench.cell import Cell
from flowzoo.bench.key import hash_of
from flowzoo.bench.planning import unplanned
from flowzoo.bench.result import DataFacts, Result, Spent
from flowzoo.bench.suite import BudgetEntry
from flowzoo.component import Published
from flowzoo.data.dataset import DatasetInfo
from flowzoo.data.load import load_dataset
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import assemble
from flowzoo.registry.options import resolve
from flowzoo.tensors import trainable
from flowzoo.training.options import parse_training_options


class Planner:
    """Plans cells one after another, and keeps the description of the data set at hand.

    Args:
        device: Kind of device that the cells will run on, such as ``cuda``: figures of one kind do not
            stand in for another's.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._data: dict[str, DatasetInfo] = {}

    def load(self, cell: Cell) -> None:
        """Have a cell's data set described; this may take long, where it has to be fetched.

        Raises:
            FlowzooError: It cannot be had.
        """
        self._describe(cell)

    def plan(self, cell: Cell) -> Result:
        """Return the record of a cell before anything is measured: unfinished, and without figures.

        Raises:
            FlowzooError: The model cannot be built on the data, or an option is refused.
        """
        info = self._describe(cell)
        training = parse_training_options(cell.training)
        budget = BudgetEntry(**cell.budget).resolve(training.batch_size)
        pixels = cell.pixels if cell.pixels is not None else info.pixels
        registry = default_registry()
        flow = assemble(registry, cell.model, info.shape, info.bins, pixels, cell.seed, cell.options)
        assert flow.recipe is not None, "assembled models have recipes"
        recipe = flow.recipe
        dataset = registry.find("dataset", cell.data)
        components = {**recipe.revisions, f"dataset:{cell.data}": dataset.revision}
        spent = Spent({"steps": budget.steps, "seconds": budget.seconds}, batch_size=training.batch_size)
        decides = {
            "model": cell.model,
            "options": recipe.options,
            "pixels": recipe.pixels,
            "components": components,
            "data": [info.name, info.revision, info.shape, info.bins],
            "training": training.model_dump(),
            "budget": spent.budget,
            "seed": cell.seed,
            "metrics": [_metric(name, options) for name, options in cell.metrics],
            "device": self._device,
            "threads": cell.threads,
        }
        return replace(
            unplanned(cell),
            key=hash_of(decides),
            options=recipe.options,
            pixels=recipe.pixels,
            training=training.model_dump(),
            components=components,
            parameters=trainable(flow),
            data=_facts(info, cell),
            spent=spent,
            published=_published(cell),
        )

    def _describe(self, cell: Cell) -> DatasetInfo:
        key = hash_of([cell.data, cell.data_options])
        if key not in self._data:
            self._data = {key: load_dataset(cell.data, **cell.data_options).info}
        return self._data[key]


def _metric(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    registry = default_registry()
    component = registry.find("metric", name)
    return {"name": name, "revision": component.revision, "options": resolve(registry, component, options)}


def _facts(info: DatasetInfo, cell: Cell) -> DataFacts:
    return DataFacts(
        name=info.name,
        revision=info.revision,
        shape=info.shape,
        bins=info.bins,
        sizes=dict(info.sizes),
        licence=info.licence,
        source=info.source,
        published=cell.published,
        label=cell.data_label,
    )


def _published(cell: Cell) -> tuple[Published, ...]:
    if not cell.published:
        return ()
    component = default_registry().find("model", cell.model)
    return tuple(each for each in component.published if each.data == cell.published)
