"""The metrics that the core registers."""

from __future__ import annotations

from flowzoo.component import Component

METRICS: tuple[Component, ...] = ()
