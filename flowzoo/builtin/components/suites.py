"""The suites that the core registers."""

from __future__ import annotations

from flowzoo.component import Component


def _suite(name: str, summary: str) -> Component:
    build = f"flowzoo.bench.suites:{name.replace('-', '_')}"
    return Component(kind="suite", name=name, build=build, summary=summary)


SUITES = (_suite("quick", "Every model on digits, minutes on a laptop"),)
