"""The revision of a suite: a digest of the protocol that all of its rows follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.bench.suite import DataEntry, MetricEntry, Suite
from flowzoo.component import Kind
from flowzoo.digest import digest_of
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.registry.added import without_added
from flowzoo.registry.loader import default_registry
from flowzoo.registry.options import resolve
from flowzoo.registry.paths import path_options


def revision_of(suite: Suite) -> str:
    """Return the revision of a suite, 12 hexadecimal digits.

    It covers the data sets, the metrics, the budget, the options of the training and the number of threads.
    A row that is added, and what a row sets for itself, leave it as it is: the key of each record covers
    these.

    Raises:
        FlowzooError: A component is not installed, or an option is refused.
    """
    protocol = {
        "data": [{**_described("dataset", each), "pixels": each.pixels} for each in suite.data],
        "metrics": [_described("metric", each) for each in suite.metrics],
        "budget": suite.budget.model_dump(exclude_none=True),
        "training": parse_training_options(suite.training).decisive(),
        "threads": suite.threads,
    }
    return digest_of(protocol, 12)


def described_metric(label: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the figures of a metric, as keys contain it."""
    registry = default_registry()
    component = registry.find("metric", name)
    resolved = without_added(registry, "metric", name, resolve(registry, component, options))
    found = {"name": name, "revision": component.revision, "options": resolved}
    return found if label == name else {**found, "label": label}


def _described(kind: Kind, entry: DataEntry | MetricEntry) -> dict[str, Any]:
    component = default_registry().find(kind, entry.name)
    options = dict(entry.options)
    for place in path_options(component) if options else ():  # without options it need not be imported
        options.pop(place, None)
    return {"name": entry.name, "label": entry.label, "revision": component.revision, "options": options}
