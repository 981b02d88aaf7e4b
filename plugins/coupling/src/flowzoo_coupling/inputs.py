"""The input of a network: an image, a context and a time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flowzoo.api import Images, Shape


def input_channels(shape: Shape, context_shape: Shape | None, timed: bool) -> int:
    """Return the number of channels that :func:`join_inputs` returns."""
    return shape[0] + (context_shape[0] if context_shape else 0) + int(timed)


def join_inputs(x: Images, context: Images | None, time: Tensor | None) -> Images:
    """Return the channels of the image, of the resized context and of the time, joined."""
    channels = [x]
    if context is not None:
        channels.append(resized(context, x.shape[-2:]).to(x.dtype))
    if time is not None:
        batch, _, height, width = x.shape
        channels.append(time.to(x.dtype).reshape(-1, 1, 1, 1).expand(batch, 1, height, width))
    return torch.cat(channels, dim=1) if len(channels) > 1 else x


def bounded(x: Images, limit: float) -> Images:
    """Return ``limit tanh(x / limit)``: about ``x`` where it is small, and never beyond the limit.

    >>> bounded(torch.tensor([0.5, 1e9]), 6.0)
    tensor([0.4988, 6.0000])
    """
    return limit * torch.tanh(x / limit)


def channels_last(x: Images) -> Images:
    """Return the same image; on the CPU with the channels of each pixel next to each other in memory.

    On the CPU, convolutions are up to 1.7 times faster with this layout, forward and backward. It is made by
    permuting, which ``torch.func.vmap`` can handle; it cannot handle a memory format.
    """
    if x.device.type != "cpu":
        return x
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def resized(context: Images, size: tuple[int, ...]) -> Images:
    """Return the context resized to the height and width ``size``, by the nearest pixel."""
    return context if context.shape[-2:] == size else F.interpolate(context, size=size, mode="nearest")
