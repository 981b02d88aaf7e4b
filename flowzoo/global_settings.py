"""Restores torch's global settings, which a plugin may change for every other one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def torch_settings_kept() -> Iterator[None]:
    """Restore what code inside the block changes for all of torch.

    These are the default format of numbers, whether gradients are recorded, the precision of matrix
    products, whether only deterministic algorithms are allowed, and the number of threads. torch is not
    imported. If the block imports it, the first three get torch's defaults.
    """
    torch = sys.modules.get("torch")
    before: dict[str, Any] = {} if torch is None else {name: read(torch) for name, read in _READ.items()}
    try:
        yield
    finally:
        torch = sys.modules.get("torch")
        if torch is not None:
            _restore(torch, before)


def _restore(torch: Any, before: dict[str, Any]) -> None:
    wanted = {"dtype": torch.float32, "gradients": True, "products": "highest", **before}
    for name, value in wanted.items():
        if _READ[name](torch) != value:
            _WRITE[name](torch, value)


_READ: dict[str, Any] = {
    "dtype": lambda torch: torch.get_default_dtype(),
    "gradients": lambda torch: torch.is_grad_enabled(),
    "products": lambda torch: torch.get_float32_matmul_precision(),
    "deterministic": lambda torch: torch.are_deterministic_algorithms_enabled(),
    "threads": lambda torch: torch.get_num_threads(),
}
_WRITE: dict[str, Any] = {
    "dtype": lambda torch, value: torch.set_default_dtype(value),
    "gradients": lambda torch, value: torch.set_grad_enabled(value),
    "products": lambda torch, value: torch.set_float32_matmul_precision(value),
    "deterministic": lambda torch, value: torch.use_deterministic_algorithms(value),
    "threads": lambda torch, value: torch.set_num_threads(value),
}
