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
        yield from _own_parameters(each)


def first_tensor(module: nn.Module, floating: bool = False) -> Tensor | None:
    """Return a module's first parameter, or else its first buffer; None if there is neither.

    Args:
        module: The module whose tensors, and whose submodules' tensors, are searched.
        floating: Look at floating-point tensors only.
    """
    # Every pass through a model calls this: a walk that ends early, of plain loops, which torch.compile
    # traces far faster than the generators of torch.nn.Module.
    first_buffer: Tensor | None = None
    waiting = [module]
    while waiting:
        each = waiting.pop()
        own = vars(each)
        if own["_parameters"] or "_is_replica" in own:
            for parameter in _own_parameters(each):
                if not floating or parameter.is_floating_point():
                    return parameter
        if first_buffer is None and own["_buffers"]:
            for buffer in each._buffers.values():
                if buffer is not None and (not floating or buffer.is_floating_point()):
                    first_buffer = buffer
                    break
        if own["_modules"]:
            waiting += [child for child in own["_modules"].values() if child is not None][::-1]
    return first_buffer


def floating_dtype(module: nn.Module) -> torch.dtype | None:
    """Return the dtype of the first floating-point parameter, or else buffer; None if there is neither."""
    found = first_tensor(module, floating=True)
    return None if found is None else found.dtype


def floating_dtypes(module: nn.Module) -> list[torch.dtype]:
    """Return the dtypes of all floating-point parameters and buffers, each once, in the order of use."""
    tensors = (*parameters_of(module), *module.buffers())
    return list(dict.fromkeys(each.dtype for each in tensors if each.is_floating_point()))


def is_replica(module: nn.Module) -> bool:
    """Whether a module is one of several copies that compute a share of one batch each."""
    return bool(vars(module).get("_is_replica", False))


def _own_parameters(module: nn.Module) -> list[Tensor]:
    found: list[Tensor] = [each for each in module._parameters.values() if each is not None]
    if is_replica(module):
        found += [value for value in vars(module).values() if isinstance(value, Tensor)]
    return found


def trainable(module: nn.Module) -> int:
    """Return how many parameters of a module train."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def weights_not_finite(module: nn.Module) -> str:
    """Return the name of the first parameter that is not finite, or buffer that holds NaN; empty without one.

    A buffer may hold an infinite bound.
    """
    for name, value in module.named_parameters():
        if not bool(value.isfinite().all()):
            return name
    return next((name for name, value in module.named_buffers() if bool(value.isnan().any())), "")


def is_exporting() -> bool:
    """Whether ``torch.export`` traces a model. Values are unknown then, so that none can be checked."""
    return CAN_EXPORT and torch.compiler.is_exporting()


CAN_EXPORT = hasattr(torch.compiler, "is_exporting")
"""Whether this torch distinguishes exporting from compiling, whose checks must stay: from 2.7 on."""
