"""From names and options to an :class:`~.experiment.Experiment`: the one place where they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic_core import to_jsonable_python

from flowzoo.errors import OptionError, did_you_mean
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.integers import plain_number
from flowzoo.registry.loader import default_registry
from flowzoo.registry.paths import with_absolute_paths
from flowzoo.seeds import check_seed


def parse_experiment(given: Mapping[str, Any]) -> Experiment:
    """Return the experiment that plain data describes.

    The model's options are checked when it is built, for an image shape that only the data set has.

    >>> parse_experiment({"model": "glow", "data": "digits", "budget": {"steps": 100}}).seed
    0

    Args:
        given: The fields of :class:`Experiment`; what is left out has its default. ``budget`` is a mapping
            with ``steps``, ``images`` or ``seconds``, and ``training`` one with options of the training.

    Raises:
        OptionError: A field is unknown or missing, or its value is not allowed.
        UnknownNameError: There is no such model or data set.
        PluginError: The plugin that brings one of them fails.
    """
    known = [field.name for field in fields(Experiment)]
    for name in given:
        if name not in known:
            raise OptionError(
                f"an experiment has no '{name}'{did_you_mean(name, known) or ';'} it has: {known}"
            )
    for name in ("model", "data", "budget"):
        if not given.get(name):
            raise OptionError(f"the experiment has no {name}; give it one")
    registry = default_registry()
    model = registry.find("model", given["model"])
    data = registry.find("dataset", given["data"])
    training = parse_training_options(given.get("training") or {})
    data_options = given.get("data_options") or {}
    if data_options:  # a data set without options need not be imported here
        absolute = with_absolute_paths(data, data_options)
        data_options = to_jsonable_python(absolute, fallback=plain_number)
    budget = given["budget"]
    return Experiment(
        model=registry.address(model),
        data=registry.address(data),
        budget=budget if isinstance(budget, Budget) else Budget.parse(budget, training.images_per_step),
        options=given.get("options") or {},
        pixels=given.get("pixels"),
        data_options=data_options,
        data_revision=given.get("data_revision", ""),
        training=training,
        seed=0 if given.get("seed") is None else check_seed(given["seed"]),
    )
