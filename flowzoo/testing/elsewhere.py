"""A simulated device for machines without a GPU: tensors that report another device, and hold CPU tensors.

Operations that mix them with tensors of the CPU fail, as they do on a GPU. Unlike tensors of torch's own
device ``meta``, these have values, so that code may read and compare them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_CLAIMED = torch.device("lazy")
"""The device that the tensors report: one that torch has on every machine, and nobody uses."""

_COPIES = ("aten::copy_", "aten::_to_copy")
_MAY_MIX = (*_COPIES, "aten::index", "aten::index_put", "aten::index_put_")
"""Operations that may mix devices: copies, and indices on the CPU into tensors of another device."""


class MixedDevices(RuntimeError):
    """An operation got tensors of two devices."""


class Elsewhere(Tensor):
    """A tensor on the other device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        made: Elsewhere = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=_CLAIMED,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch calls it without keywords, too
        cls,
        func: Any,
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _apply(func, args, kwargs or {})


class _OtherDevice(TorchDispatchMode):
    """Makes tensors on the other device instances of :class:`Elsewhere`."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return _apply(func, args, kwargs or {})


def other_device() -> AbstractContextManager[Any]:
    """Return a context in which the other device exists."""
    return _OtherDevice()  # type: ignore[no-untyped-call]  # torch's


def _apply(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Apply an operation to the tensors that are held.

    Raises:
        MixedDevices: Some of the tensors are on the CPU and others are not. Tensors ``()`` may be on any
            device.
    """
    name = func.name().split(".")[0]
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = [each for each in tensors if isinstance(each, Elsewhere)]
    here = [each for each in tensors if not isinstance(each, Elsewhere) and each.ndim > 0]
    if there and here and name not in _MAY_MIX:
        raise MixedDevices(f"{name.removeprefix('aten::')} gets tensors of two devices")
    asked = kwargs.get("device")
    goes_there = bool(there) if asked is None else torch.device(asked).type == _CLAIMED.type
    if name == "aten::copy_":
        goes_there = isinstance(args[0], Elsewhere)
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    # Operations in place return the tensor that they got.
    known = {id(each.held): each for each in there}

    def wrap(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value._is_zerotensor():
            # Forward mode has zeros without memory, which only torch's own tensors may be.
            value = torch.zeros(value.shape, dtype=value.dtype)
        return known[id(value)] if id(value) in known else Elsewhere(value)

    found = func(*tree_map(_unwrap, args), **tree_map(_unwrap, kwargs))
    return tree_map(wrap, found) if goes_there else found


def _unwrap(value: Any) -> Any:
    return value.held if isinstance(value, Elsewhere) else value
