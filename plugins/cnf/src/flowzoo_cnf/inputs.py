"""Bringing what a field gets to its memory layout and size."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from flowzoo.api import Images


def channels_last(x: Images) -> Images:
    """Return images in the memory layout that is fastest for convolutions."""
    return x.contiguous(memory_format=torch.channels_last)


def to_size(context: Images, like: Images) -> Images:
    """Return a context in the size and the precision of an image; pixels are repeated."""
    if context.shape[-2:] != like.shape[-2:]:
        context = F.interpolate(context, size=like.shape[-2:], mode="nearest")
    return context.to(like.dtype)
