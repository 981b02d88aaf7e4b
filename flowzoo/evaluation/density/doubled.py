"""A model in double precision."""

from __future__ import annotations

import copy

import torch

from flowzoo.flow import Flow


def doubled(flow: Flow) -> Flow:
    """Return a copy in double precision, which Apple's devices do not have."""
    device = torch.device("cpu") if flow.device.type == "mps" else flow.device
    made = copy.deepcopy(flow).to(device).double().requires_grad_(False)
    # A model without any number of its own computes in torch's default precision.
    made.levels.register_buffer("precision", torch.zeros((), dtype=torch.float64, device=device))
    return made
