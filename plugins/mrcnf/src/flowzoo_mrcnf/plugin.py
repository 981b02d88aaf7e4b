"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 1

PAPER = 'Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024'


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="transform",
            name="unimodular",
            build="flowzoo_mrcnf.unimodular:build_unimodular",
            summary="2x2 block means and details, volume preserving",
            reference=PAPER,
        ),
        Component(
            kind="model",
            name="mrcnf",
            build="flowzoo_mrcnf.model:build_mrcnf",
            summary="Multi-resolution cascade of continuous flows, unimodular transform",
            reference=PAPER,
            check=Check(
                shape=(1, 4, 4),
                options={
                    "levels": 2,
                    "bijector": {
                        "blocks": 1,
                        "network": {"hidden": 4},
                        "evaluation_solver": "rk4",
                        "evaluation_steps": 4,
                        "evaluation_trace": "exact",
                    },
                },
                tolerance=2e-5,
                reason="the exact trace is integrated by rk4 on 4 fixed steps a block",
            ),
        ),
    ]
