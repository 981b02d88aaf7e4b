"""Settings and random states of the whole process, which checks and components have in common."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from flowzoo.testing.draws import scrambled
from flowzoo.testing.result import CheckFailed


@contextmanager
def apart_from_others(check: str) -> Iterator[None]:
    """Make a check independent of earlier checks, and later checks independent of it.

    The global random states are set to values that depend on the check's name, so that no check uses the
    state that another one left. Afterwards all states are restored.

    Args:
        check: The check's name.

    Raises:
        CheckFailed: A setting of the whole process, such as torch's default dtype, was changed.
    """
    before = [each.read() for each in _SETTINGS]
    try:
        with scrambled(zlib.crc32(check.encode())):
            yield
        for setting, old in zip(_SETTINGS, before, strict=True):
            new = setting.read()
            if new != old:
                raise CheckFailed(f"changes {setting.what} for the whole process, from {old} to {new}")
    finally:
        for setting, old in zip(_SETTINGS, before, strict=True):
            if setting.read() != old:
                setting.write(old)


@dataclass(frozen=True)
class _Setting:
    what: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


_SETTINGS = (
    _Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Setting(
        "torch's default device",
        torch.get_default_device,
        lambda found: torch.set_default_device(None if found.type == "cpu" else found),
    ),
    _Setting("whether torch records gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    _Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    _Setting(
        "whether torch uses deterministic algorithms",
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    _Setting("how NumPy treats floating-point errors", np.geterr, lambda found: np.seterr(**found)),
    _Setting("the current folder", os.getcwd, os.chdir),
)
