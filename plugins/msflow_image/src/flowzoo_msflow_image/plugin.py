"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Spec, hookimpl

flowzoo_api_version = 2

REFERENCE = '"Multi-Scale Continuous Normalizing Flows", INNF+ 2021'
DRAWN = "the coarse image is drawn, and log_det is -log q of the draw"


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="transform",
            name="pyramid",
            build="flowzoo_msflow_image.pyramid:build_pyramid",
            summary="Adds a coarse image, drawn around the 2x2 block means, to the image itself",
            reference=REFERENCE,
            exact=False,
            check=Check(shape=(2, 4, 4), reason=DRAWN),
        ),
        Component(
            kind="split",
            name="pyramid",
            build="flowzoo_msflow_image.split:build_split",
            summary="Keeps the coarse image and factors out the fine one",
            reference=REFERENCE,
            check=Check(shape=(10, 2, 2)),
        ),
        Component(
            kind="model",
            name="msflow-image",
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 3,
                "transform": Spec("pyramid"),
                "split": Spec("pyramid"),
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
                    "bijector": Spec("cnf", blocks=2, kinetic=0.01, jacobian=0.01),
                    "normalise": "standardise",
                    "precondition": None,
                }
            },
            summary="Continuous flows over a redundant pyramid of images; its figure is a bound",
            reference=REFERENCE,
            exact=False,
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
                reason=f"{DRAWN}; the flows are solved by rk4 on 4 fixed steps a block",
            ),
        ),
    ]
