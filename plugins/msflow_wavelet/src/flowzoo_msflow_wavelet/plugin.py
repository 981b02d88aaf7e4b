"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 1


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="model",
            name="msflow-wavelet",
            build="flowzoo_msflow_wavelet.model:build_msflow_wavelet",
            summary="Haar wavelet cascade of continuous flows",
            reference='"Multi-Scale Continuous Normalizing Flows", INNF+ 2021',
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
        )
    ]
