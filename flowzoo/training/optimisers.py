"""The optimisers that training can use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.training.muon import Muon
from flowzoo.training.stage import Stage

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True, weight_decay=0.0),
    "adamax": torch.optim.Adamax,
}


def make_optimiser(stage: Stage, flow: Flow, options: TrainingOptions) -> torch.optim.Optimizer:
    """Return the optimiser of the parameters that a stage trains."""
    rate = options.learning_rate
    if options.optimiser == "muon":
        return Muon(*_weights_and_others(stage, flow), lr=rate)
    make = OPTIMISERS[options.optimiser]
    if not options.weight_decay:
        return make(stage.parameters(flow), lr=rate)
    weights, others = _weights_and_others(stage, flow)
    groups = [
        {"params": weights, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return make([group for group in groups if group["params"]], lr=rate)


def _weights_and_others(stage: Stage, flow: Flow) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the weights of linear layers and convolutions, and all other parameters that a stage trains."""
    is_weight: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for module in stage.modules(flow):
        for name, parameter in module.named_parameters():
            is_weight[name.endswith("weight") and parameter.ndim > 1].append(parameter)
    return is_weight[True], is_weight[False]
