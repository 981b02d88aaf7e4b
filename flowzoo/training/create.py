"""Builds the model of an experiment."""

from __future__ import annotations

import torch

from flowzoo.data.dataset import Dataset
from flowzoo.experiment.experiment import Experiment
from flowzoo.flow import Flow
from flowzoo.registry.lookup import Registry
from flowzoo.registry.models import assemble


def create_flow(
    experiment: Experiment, dataset: Dataset, device: torch.device, registry: Registry, scoring: bool = False
) -> Flow:
    """Return the model of an experiment for the images of a data set, with fresh weights.

    Args:
        experiment: The experiment.
        dataset: The images, which decide the pixel transform if the experiment does not.
        device: Where the model will be.
        registry: What the names in the experiment stand for.
        scoring: Build the model that gathers scores for splits instead (:mod:`flowzoo.scoring`).

    Raises:
        FlowzooError: A name or an option is not right.
    """
    info, asked = dataset.info, experiment
    pixels = asked.pixels if asked.pixels is not None else info.pixels
    model = (asked.model, info.shape, info.bins, pixels, asked.seed, asked.options)
    return assemble(registry, *model, scoring).to(device)
