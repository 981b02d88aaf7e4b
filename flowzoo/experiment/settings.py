"""An experiment as settings, the form in which a file for ``--config`` holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.experiment.experiment import Experiment

RESERVED = ("model", "data", "pixels", "training", "budget", "seed", "out")
"""Settings that are not the model's options, which stand beside them."""


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """Return the settings of an experiment, as plain data; training with them repeats it.

    >>> from flowzoo.experiment.budget import Budget
    >>> settings_of(Experiment("glow", "digits", Budget(steps=5), {"levels": 2}))
    {'model': 'glow', 'data': 'digits', 'budget': {'steps': 5}, 'seed': 0, 'levels': 2, 'training': {...}}
    """
    budget = {unit: amount for unit, amount in experiment.budget.plain().items() if amount is not None}
    data: Any = experiment.data
    if experiment.data_options:
        data = {"name": experiment.data, **experiment.data_options}
    pixels: Mapping[str, Any] = {} if experiment.pixels is None else {"pixels": experiment.pixels}
    return {
        **{"model": experiment.model, "data": data, "budget": budget, "seed": experiment.seed},
        **experiment.options,
        **pixels,
        "training": experiment.training.model_dump(),
    }
