"""What this plugin registers."""

from __future__ import annotations

from flowzoo.api import Component, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="bijector",
            name="planted",
            build="flowzoo_planted.coupling:build_planted",
            summary="A coupling with a mistake",
        ),
        Component(
            kind="model",
            name="planted",
            build="flowzoo_planted.model:build_model",
            summary="A wavelet cascade of couplings with a mistake",
        ),
    ]
