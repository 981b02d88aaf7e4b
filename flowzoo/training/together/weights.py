"""A digest of a model's weights, by which processes compare theirs."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def digest_of_weights(model: nn.Module) -> str:
    """Return the sums of the bits of all parameters and buffers: equal for equal bits, rarely for others."""
    sums = [_sum_of_bits(each) for each in model.state_dict().values()]
    return " ".join(map(str, torch.stack(sums).tolist())) if sums else ""


def _sum_of_bits(tensor: Tensor) -> Tensor:
    whole = tensor.element_size() % 4 == 0
    return tensor.reshape(-1).view(torch.int32 if whole else torch.uint8).sum(dtype=torch.int64)
