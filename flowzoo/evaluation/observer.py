"""What follows an evaluation while it runs: how far it is, and its figure before the audits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")
Bits = TypeVar("Bits")


def _nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass(frozen=True, kw_only=True)
class Observer(Generic[Found, Bits]):
    """Functions that an evaluation calls while it runs. Those that are not given do nothing.

    Attributes:
        images: Called with the number of images that are measured, and the number of all.
        solver_audit: Called with the number of images that the audit of the solver has judged, and the number
            that it may judge.
        audit: Called with the share of the density audit that is done.
        floor: Called with the number of training images to which the floor is fitted, and the number of all.
        labels: Called with the number of images that are measured for each class, and the number of all.
        labels_audit: Called with the share of the density audit given the class that is done.
        measured: Called before the audits and the floor, which can take long: with the record as it stands
            without them, and with the bits/dim of each image.
    """

    images: Callable[[int, int], object] = _nothing
    solver_audit: Callable[[int, int], object] = _nothing
    audit: Callable[[float], object] = _nothing
    floor: Callable[[int, int], object] = _nothing
    labels: Callable[[int, int], object] = _nothing
    labels_audit: Callable[[float], object] = _nothing
    measured: Callable[[Found, Bits], object] = _nothing


SILENT: Observer[Any, Any] = Observer()
"""Nobody follows."""
