"""How long to repeat what is timed, and what cannot be timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from subjects import SHAPE

from flowzoo.errors import FlowzooError

SECONDS = 1.0
"""How long to repeat a part, within the limits on its rounds."""

FEWEST, MOST = 3, 200
"""Rounds."""

Measure = Callable[[Callable[[], object]], None]
"""Times a piece of work on a batch of images."""


def warm_up(work: Callable[[], object]) -> int:
    """Fill caches, and let a solver's component learn its steps; return how often to repeat the work."""
    seconds = SECONDS
    for _ in range(2):
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        if seconds > SECONDS:
            break
    return max(FEWEST, min(MOST, int(SECONDS / seconds)))


def built_or_skipped(build: Callable[[], Any]) -> Any:
    """Build what is timed, or skip the test and say why it cannot work at this size."""
    try:
        return build()
    except FlowzooError as problem:
        pytest.skip(f"not at {'x'.join(map(str, SHAPE))}: {problem}")
