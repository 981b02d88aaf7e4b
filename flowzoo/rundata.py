"""Loads the images of a run again, from their present place, and checks whether they have changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from flowzoo.data.dataset import SPLITS, Dataset
from flowzoo.data.given import IN_MEMORY
from flowzoo.data.load import absolute_options, load_dataset
from flowzoo.errors import DataError, FlowzooError, OptionError
from flowzoo.integers import plain_number
from flowzoo.registry.loader import default_registry
from flowzoo.registry.paths import path_options
from flowzoo.registry.provenance import refuse_revisions
from flowzoo.runfolder import NEW_RUN, RunRecord


@dataclass(frozen=True)
class RunData:
    """A run's data set as it is now.

    Attributes:
        dataset: The data set.
        options: The options with which it was loaded.
        changes: A sentence for each split whose images have changed.
    """

    dataset: Dataset
    options: Mapping[str, Any]
    changes: Mapping[str, str]


def load_run_data(
    record: RunRecord, moved: Mapping[str, Any] | None = None, unchanged: Collection[str] = ()
) -> RunData:
    """Load the data set of a run again.

    Args:
        record: The record of the run.
        moved: Options that say where the files are now, if they have moved.
        unchanged: Splits whose images must not have changed. If a run's record has no revision of each
            split, no image may have changed.

    Raises:
        OptionError: An option in ``moved`` decides more than where files are.
        DataError: The images are not in their place, or those of a split in ``unchanged`` differ.
        SavedModelError: The component that brings them is not installed, or has another revision.
        FlowzooError: As :func:`~flowzoo.data.load.load_dataset`.
    """
    if record.experiment.data == IN_MEMORY:
        raise DataError(
            "this run was trained on images that were given in Python, and they are not stored with it. Give "
            'them again: flowzoo.evaluate("RUN", images)'
        )
    name = _installed_name(record)
    options = {**record.experiment.data_options, **_moved(record, name, moved or {})}
    try:
        dataset = load_dataset(name, **options)
    except FlowzooError as reason:
        _refuse_lost_files(record, name, options, reason)
        raise
    return given_run_data(record, dataset, options, unchanged)


def given_run_data(
    record: RunRecord, dataset: Dataset, options: Mapping[str, Any], unchanged: Collection[str] = ()
) -> RunData:
    """Compare a data set with the images that a run was started on.

    Args:
        record: The record of the run.
        dataset: The data set.
        options: Its options.
        unchanged: As in :func:`load_run_data`.

    Raises:
        DataError: The images of a split in ``unchanged`` differ.
    """
    changes = _changes(record, dataset)
    refused = [split for split in changes if split in unchanged or not record.data_report.revisions]
    if refused:
        raise DataError(
            f"{'; '.join(dict.fromkeys(changes[split] for split in refused))}. "
            "Put those images back, or start a new run"
        )
    return RunData(dataset, options, changes)


def _installed_name(record: RunRecord) -> str:
    """Return the present name of the data set that the run was trained on."""
    if record.provenance is None:
        return record.experiment.data
    recorded = record.provenance.only([f"dataset:{record.experiment.data}"])
    registry = default_registry()
    refuse_revisions(recorded, registry, "the run", "was trained", NEW_RUN)
    return registry.address(recorded.bind(registry).find("dataset", record.experiment.data))


def _moved(record: RunRecord, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if not given:
        return {}
    places = path_options(default_registry().find("dataset", name))
    absolute: dict[str, Any] = to_jsonable_python(absolute_options(name, given), fallback=plain_number)
    for option, value in absolute.items():
        if option not in places and record.experiment.data_options.get(option, ...) != value:
            allowed = f"only these can be given: {', '.join(places)}" if places else "it has no such option"
            raise OptionError(
                f"data.{option} cannot be given for a run that was started already: only options that say "
                f"where files are can change, since all others decide the images. "
                f"For {record.experiment.data}, {allowed}"
            )
    return absolute


def _refuse_lost_files(
    record: RunRecord, data: str, options: Mapping[str, Any], reason: FlowzooError
) -> None:
    """Refuse a place of a run's files that does not exist any more."""
    for name in path_options(default_registry().find("dataset", data)):
        place = options.get(name)
        if not isinstance(place, str) or os.path.exists(place):
            continue
        if place != record.experiment.data_options.get(name):
            continue  # a place that was just given: the reason says what is wrong with it
        relative = "" if os.path.isabs(place) else ", a path from the folder that the run was started in"
        raise DataError(
            f"there is no {place}: the run was started with data.{name}={place}{relative}. "
            f"If the files have moved, give their new place: --set data.{name}=FOLDER"
        ) from reason


def _changes(record: RunRecord, dataset: Dataset) -> dict[str, str]:
    """Return a sentence for each split whose images have changed since the run was started."""
    before, now = record.experiment.data_revision, dataset.info.revision
    if before == now:
        return {}
    known, found = record.data_report.revisions, dataset.info.revisions
    both = [split for split in SPLITS if split in known and split in found]
    changed = {
        split: _sentence(f"{split} images", known[split], found[split])
        for split in both
        if known[split] != found[split]
    }
    # If no split explains it, the data set states no revisions of splits, or not those of before.
    return changed or dict.fromkeys(SPLITS, _sentence("the images", before, now))


def _sentence(images: str, before: str, now: str) -> str:
    return f"{images} differ from those when training began: revision {before}, now {now}"
