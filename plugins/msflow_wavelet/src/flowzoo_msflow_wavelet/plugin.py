"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

FIGURES = {
    "CIFAR-10": {2: 3.56, 3: 3.69, 4: 3.77, 5: 3.87},
    "ImageNet 32": {2: 3.92, 3: 4.00, 4: 4.02},
    "ImageNet 64": {3: 4.04},
}
"""Published figures by number of scales."""


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="model",
            name="msflow-wavelet",
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 3,
                "transform": Spec("haar"),
                "split": Spec("keep-first-channels", divisor=4),
                "bijector": Spec(
                    "cnf",
                    blocks=1,
                    network=Spec("unet-field"),
                    objective="flow-matching",
                    path="trigonometric",
                    kinetic=0.01,
                    jacobian=0.01,
                ),
                "normalise": "whiten",
                "precondition": Spec("conditional-affine", scale_limit=8.0, slope=1.0),
                "precondition_share": 0.1,
            },
            presets={
                "paper": {
                    "bijector": Spec("cnf", blocks=3, kinetic=0.01, jacobian=0.01),
                    "normalise": "standardise",
                    "precondition": None,
                }
            },
            summary="Haar wavelet cascade of continuous flows",
            published=tuple(
                Published(data, bits, "msflow-2021", f"{scales} scales")
                for data, figures in FIGURES.items()
                for scales, bits in figures.items()
            ),
            reference='"Multi-Scale Continuous Normalizing Flows", INNF+ 2021',
            check=Check(
                shape=(1, 4, 4),
                options={
                    "levels": 2,
                    "bijector": {
                        "blocks": 1,
                        "network": Spec("conv-field", hidden=4),
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
