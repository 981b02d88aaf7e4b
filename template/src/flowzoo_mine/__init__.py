"""What this plugin registers. Nothing here imports torch, since ``flowzoo list`` imports it."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    """Return the components of this plugin, an entry each."""
    return [
        Component(
            kind="bijector",
            name="mine",
            build="flowzoo_mine.mine:build_mine",
            summary="Scales every value, the scale given by the mean of the context",
            check=(
                Check(shape=(2, 2, 2), name="alone"),
                Check(shape=(2, 2, 2), context_shape=(1, 2, 2), name="with context"),
            ),
        ),
    ]
