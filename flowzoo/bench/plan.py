"""Plans a cell: fills in all defaults, and computes its key."""

from __future__ import annotations

from dataclasses import replace

from flowzoo.bench.cell import Cell
from flowzoo.bench.result import DataFacts, Result, Spent
from flowzoo.bench.revision import described_metric
from flowzoo.component import Published
from flowzoo.data.dataset import DatasetInfo
from flowzoo.data.load import load_dataset
from flowzoo.digest import digest_of
from flowzoo.experiment.experiment import Experiment
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import assemble
from flowzoo.registry.paths import path_options
from flowzoo.tensors import trainable


class Planner:
    """Plans cells one after another, and keeps the description of the last data set.

    Args:
        device: Kind of device that the cells will run on, such as ``cuda``. Figures of one kind do not
            replace those of another.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._data: dict[str, DatasetInfo] = {}

    def load(self, cell: Cell) -> None:
        """Return the description of a cell's data set. This takes long if it has to be downloaded.

        Raises:
            FlowzooError: The data set cannot be loaded.
        """
        self._describe(cell)

    def plan(self, cell: Cell) -> Result:
        """Return the record of a cell before anything is measured: unfinished, and without figures.

        Raises:
            FlowzooError: The model cannot be built on the data, or an option is refused.
        """
        info = self._describe(cell)
        registry, asked = default_registry(), cell.experiment
        pixels = asked.pixels if asked.pixels is not None else info.pixels
        flow = assemble(registry, asked.model, info.shape, info.bins, pixels, asked.seed, asked.options)
        assert flow.recipe is not None, "assembled models have recipes"
        recipe = flow.recipe
        experiment = replace(asked, options=recipe.options, pixels=recipe.pixels, data_revision=info.revision)
        dataset = registry.find("dataset", asked.data)
        components = {**recipe.revisions, f"dataset:{asked.data}": dataset.revision}
        key = experiment.key(
            components=components,
            data=[info.name, info.revision, info.shape, info.bins],
            metrics=[described_metric(label, *asked) for label, asked in cell.metrics.items()],
            device=self._device,
            threads=cell.threads,
        )
        return replace(
            unplanned(cell),
            key=key,
            experiment=_shareable(experiment),
            components=components,
            parameters=trainable(flow),
            data=_facts(info, cell),
            published=_published(cell),
        )

    def _describe(self, cell: Cell) -> DatasetInfo:
        name, options = cell.experiment.data, cell.experiment.data_options
        key = digest_of([name, options])
        if key not in self._data:
            self._data = {key: load_dataset(name, **options).info}
        return self._data[key]


def unplanned(cell: Cell) -> Result:
    """Return the record of a cell that cannot be planned, with what the suite says of it."""
    asked = cell.experiment
    return Result(
        key=asked.key(unplanned=[asked.data, asked.data_options]),
        suite=cell.suite,
        label=cell.label,
        experiment=_shareable(asked),
        status="failed",
        date="",
        components={},
        parameters=None,
        data=DataFacts(asked.data, published=cell.published, label=cell.data_label),
        spent=Spent(batch_size=asked.training.images_per_step),
        suite_revision=cell.suite_revision,
        tuning=cell.tuning,
    )


def _shareable(experiment: Experiment) -> Experiment:
    """Return an experiment without the places of files, which are private and differ between machines."""
    if not experiment.data_options:
        return experiment
    places = path_options(default_registry().find("dataset", experiment.data))
    options = {name: value for name, value in experiment.data_options.items() if name not in places}
    return replace(experiment, data_options=options)


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
    component = default_registry().find("model", cell.experiment.model)
    return tuple(each for each in component.published if each.data == cell.published)
