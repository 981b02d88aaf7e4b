"""The result of a check, and functions that fail it."""

from __future__ import annotations

from collections.abc import Iterable
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
        note: Why a check that passed shows little, for example since a metric refuses the model it is tried
            on.
        trial: The trial of the component in which it was made; empty if there is only one.
        cause: The exception behind the failure; empty if there was none. Failures with one cause are one
            finding.
    """

    name: str
    passed: bool
    detail: str = ""
    needs_files: bool = False
    note: str = ""
    trial: str = ""
    cause: str = ""

    @property
    def fault(self) -> str:
        """A key that is the same for all results that have one cause."""
        return self.cause or self.detail

    @property
    def title(self) -> str:
        """The check's name, and the trial where there are several."""
        return f"{self.name} ({self.trial})" if self.trial else self.name


@dataclass(frozen=True)
class Finding:
    """What is wrong with a component, and which checks found it.

    Attributes:
        checks: Their titles.
        detail: What is wrong.
        needs_files: Whether the checks could not be run since files are missing.
    """

    checks: tuple[str, ...]
    detail: str
    needs_files: bool = False

    def __str__(self) -> str:
        if len(self.checks) == 1:
            return f"{self.checks[0]}: {self.detail}"
        return f"{len(self.checks)} checks failed alike ({', '.join(self.checks)}): {self.detail}"


def findings(results: Iterable[CheckResult]) -> list[Finding]:
    """Return what is wrong, each fault once, however many checks it makes fail."""
    found: dict[str, list[CheckResult]] = {}
    for each in results:
        if not each.passed:
            found.setdefault(each.fault, []).append(each)
    return [
        Finding(tuple(each.title for each in alike), alike[0].detail, alike[0].needs_files)
        for alike in found.values()
    ]


class CheckFailed(AssertionError):
    """A component does not do what its kind promises."""


class NeedsFiles(Exception):
    """A data set cannot be tried without its files."""


class PassedWithNote(Exception):
    """The check has found nothing wrong, but could not test everything: the message says what."""


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
    """Return what the difference of two numbers for each image looks like, to append it to a message."""
    if found.ndim != 1:
        return ""
    phrase = describe_discrepancy(found.tolist(), expected.tolist())
    return f"; {phrase}" if phrase else ""


def _sizes(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
