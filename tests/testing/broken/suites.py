"""A sound suite, and what can be broken in it."""

from __future__ import annotations

from typing import Any

from tests.testing.broken.example import (
    Example,
)


def raises(_: Any) -> Any:
    raise RuntimeError("a suite that cannot be read")


SUITE = Example("suite", lambda _: object(), {"it cannot be built": ("builds", raises)})
