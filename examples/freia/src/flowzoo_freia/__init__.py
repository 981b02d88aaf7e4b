"""The components of this plugin. Nothing here imports torch, since ``flowzoo list`` imports this module."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 2

TINY = {"layers": 2, "hidden": 6}


@hookimpl
def flowzoo_components() -> list[Component]:
    """Return the components, an entry each."""
    return [
        Component(
            kind="bijector",
            name="freia",
            build="flowzoo_freia.bijector:build_bijector",
            summary="Coupling blocks of FrEIA over the channels, given a context",
            check=(
                Check(shape=(2, 2, 4), options=TINY, name="without context"),
                Check(shape=(2, 2, 4), context_shape=(1, 2, 4), options=TINY, name="with context"),
            ),
        ),
    ]
