"""Notices code that reads the values of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_READS = {
    "_local_scalar_dense": "turning a tensor into a number (item, float, bool, if)",
    "equal": "torch.equal",
    "index": "an index that is a mask",
    "masked_select": "torch.masked_select",
    "nonzero": "torch.nonzero",
    "unique_dim": "torch.unique",
    "_unique2": "torch.unique",
}
"""Operations that need the values of a tensor, and what they look like in code."""


@final
class Readings(TorchDispatchMode):
    """Inside its block, records operations that read values which were computed from some tensors.

    Args:
        tensors: The tensors whose values must not be read.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.found = ""
        # By their place in memory. They are kept alive, so that no other tensor gets the same place.
        self._followed = {place_in_memory(each): each for each in tensors}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if any(place_in_memory(each) in self._followed for each in inputs):
            name = operation_name(func)
            masks = any(each.dtype == torch.bool for each in inputs)
            if name in _READS and (name != "index" or masks):
                self.found = _READS[name]
            outputs = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
            self._followed.update({place_in_memory(each): each for each in outputs})
        return result


def place_in_memory(tensor: Tensor) -> int:
    """Return where a tensor's values lie in memory, the same for all its views."""
    return tensor.untyped_storage().data_ptr()


def operation_name(func: Any) -> str:
    """Return an operation's name as torch's users know it: ``add`` for ``aten::add.Tensor``."""
    name: str = func.name().removeprefix("aten::").split(".")[0]
    return name
