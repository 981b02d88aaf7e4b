"""What a check finds, and how it says that something is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.discrepancy import describe_discrepancy


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check on one component.

    Attributes:
        name: The check's name.
        passed: Whether the component passed it. False as well where it could not be run.
        detail: What is wrong; empty for a pass.
        needs_files: Whether it could not be run because the component declares files that were not given.
    """

    name: str
    passed: bool
    detail: str = ""
    needs_files: bool = False


class CheckFailed(AssertionError):
    """A component does not do what its kind promises."""


class NeedsFiles(Exception):
    """A data set cannot be tried without its files."""


def require(condition: bool, detail: str) -> None:
    """Fail the check with ``detail`` unless the condition holds."""
    if not condition:
        raise CheckFailed(detail)


def require_close(found: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Fail the check unless two tensors agree within ``tolerance * (1 + |expected|)``; NaNs never agree."""
    require(found.shape == expected.shape, f"{what}: shape {_sizes(found)}, expected {_sizes(expected)}")
    error = (found - expected).abs() / (1.0 + expected.abs())
    if bool((error <= tolerance).all()):
        return
    seems = _looks(found, expected)
    raise CheckFailed(f"{what}: off by {error.max().item():.3g}, allowed {tolerance:g}{seems}")


def require_equal(found: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Fail the check unless all tensors are the same to the last bit."""
    require(found.keys() == expected.keys(), f"{what}: {sorted(found)}, expected {sorted(expected)}")
    for name, value in found.items():
        require(torch.equal(value, expected[name]), f"{what}: '{name}' differs")


def _looks(found: Tensor, expected: Tensor) -> str:
    """Return what a difference of two numbers an image looks like, to be set behind a message."""
    if found.ndim != 1:
        return ""
    phrase = describe_discrepancy(found.tolist(), expected.tolist())
    return f"; {phrase}" if phrase else ""


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
