"""Run-time checks of array shapes, in the first calls of each test: later ones mostly repeat them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import beartype
import jaxtyping

CALLS = 2000
"""How many checks a test makes, of a call's parameters or of its result: about half a second of them."""

_DISABLED = jaxtyping.config.jaxtyping_disable
_left = 0.0


def allow(calls: float) -> None:
    """Make so many checks from now on."""
    global _left
    _left = calls
    jaxtyping.config.update("jaxtyping_disable", _DISABLED)


def first_calls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function's calls by beartype, and turn all checks off once those that are allowed are made."""
    checked: Callable[..., Any] = beartype.beartype(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        global _left
        _left -= 1
        if _left <= 0:
            jaxtyping.config.update("jaxtyping_disable", True)
        return checked(*args, **kwargs)

    return call
