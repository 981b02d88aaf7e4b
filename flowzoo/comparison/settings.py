"""Which settings of several runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowzoo.experiment.experiment import Experiment
from flowzoo.registry.every_model import UNIFORM

ABSENT = "-"
"""The value of a setting that a run does not have."""


def differing_settings(experiments: Sequence[Experiment]) -> dict[str, tuple[Any, ...]]:
    """Return the settings that are not the same in all trainings, each with its value in every one.

    Names are dotted, as ``--set`` takes them. If components differ, only their names are compared, not their
    options.
    """
    flat = [dict(_flat(_settings(each))) for each in experiments]
    names = dict.fromkeys(name for each in flat for name in each)
    rows = {name: tuple(each.get(name, ABSENT) for each in flat) for name in names}
    differing = {name: values for name, values in rows.items() if any(value != values[0] for value in values)}
    return {name: values for name, values in differing.items() if not _of_another(name, differing)}


def _of_another(name: str, differing: Mapping[str, Any]) -> bool:
    """Whether a setting is an option of a component that differs between trainings."""
    parts = name.split(".")
    owners = (".".join(parts[:count]) for count in range(1, len(parts)))
    return any(f"{owner}.name" in differing for owner in owners if f"{owner}.name" != name)


def _settings(experiment: Experiment) -> Mapping[str, Any]:
    return {
        "model": experiment.model,
        "data": {
            "name": experiment.data,
            **experiment.data_options,
            "revision": experiment.data_revision,
        },
        "pixels": experiment.pixels,
        "dequantisation": {"name": UNIFORM},
        **experiment.options,
        "training": experiment.training.model_dump(),
        "budget": str(experiment.budget),
        "seed": experiment.seed,
    }


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return leaves with their dotted names.

    >>> _flat({"levels": 2, "bijector": {"name": "glow"}})
    [('levels', 2), ('bijector.name', 'glow')]
    """
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", list(value) if isinstance(value, tuple) else value))
    return found
