"""The tensors that a module computes with, also in the replicas that ``torch.nn.DataParallel`` makes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


def parameters_of(module: nn.Module) -> Iterator[Tensor]:
    """Yield a module's parameters; in a replica, the tensors that stand for them.

    A replica of ``torch.nn.DataParallel`` has no parameters: copies of them, through which gradients flow,
    are plain attributes there.
    """
    for each in module.modules():
        yield from (parameter for parameter in each._parameters.values() if parameter is not None)
        yield from (value for value in vars(each).values() if isinstance(value, Tensor))


def floating_dtype(module: nn.Module) -> torch.dtype | None:
    """Return the dtype of the first parameter, or else of the first such buffer; None without any."""
    for tensors in (parameters_of(module), module.buffers()):
        for tensor in tensors:
            if tensor.is_floating_point():
                return tensor.dtype
    return None


def floating_dtypes(module: nn.Module) -> list[torch.dtype]:
    """Return the dtypes of all floating-point parameters and buffers, each once, in the order of use."""
    tensors = (*parameters_of(module), *module.buffers())
    return list(dict.fromkeys(each.dtype for each in tensors if each.is_floating_point()))


def is_replica(module: nn.Module) -> bool:
    """Whether a module is one of several copies that compute a share of one batch each."""
    return bool(vars(module).get("_is_replica", False))
