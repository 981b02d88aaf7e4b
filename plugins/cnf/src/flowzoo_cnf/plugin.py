"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

FFJORD = 'Grathwohl et al., "FFJORD: Free-form Continuous Dynamics", 2019'
RNODE = 'Finlay et al., "How to Train Your Neural ODE", 2020'
UNET = 'Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020'

# A fixed grid makes the brute-force Jacobian that of the same discrete map in every call.
TINY = {
    "blocks": 2,
    "network": Spec("conv-field", hidden=4),
    "evaluation_solver": "rk4",
    "evaluation_steps": 4,
    "evaluation_trace": "exact",
}
GRID = (
    "the exact trace is integrated by rk4 on 4 fixed steps a block, and the log-determinant of the discrete "
    "map differs from that integral by the step error"
)


# Colour images of 32x32 pixels are whitened as a whole too, so that the flow starts as good as a Gaussian.
WHOLE = {"name": "whiten", "whole": 3072}

FIELD = {"blocks": 1, "network": Spec("unet-field"), "path": "trigonometric"}
"""What both models have in common."""

DOUBTED = "as printed; not credible beside its neighbours"
FFJORD_FIGURES = (
    Published("CIFAR-10", 3.40, "msflow-2021"),
    Published("ImageNet 32", 3.96, "msflow-2021"),
    Published("CIFAR-10", 3.40, "msflow-2021", "with STEER"),
    Published("ImageNet 32", 3.84, "msflow-2021", "with STEER"),
)
RNODE_FIGURES = (
    Published("CIFAR-10", 3.38, "msflow-2021"),
    Published("ImageNet 32", 2.36, "msflow-2021", remark=DOUBTED),
    Published("ImageNet 64", 3.83, "msflow-2021"),
    Published("CIFAR-10", 3.397, "msflow-2021", "with STEER"),
    Published("ImageNet 32", 2.35, "msflow-2021", "with STEER", DOUBTED),
)


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="bijector",
            name="cnf",
            revision=2,  # the option steps means something else
            build="flowzoo_cnf.build:build_cnf",
            summary="Continuous normalising flow, by likelihood or flow matching",
            reference=FFJORD,
            check=Check(
                shape=(2, 2, 2),
                context_shape=(1, 2, 2),
                options=TINY,
                fixed=("compiled",),  # takes a C++ compiler, and long
                tolerance=2e-5,
                reason=GRID,
            ),
        ),
        Component(
            kind="network",
            name="conv-field",
            build="flowzoo_cnf.conv_field:build_conv_field",
            summary="Stack of 3x3 convolutions with softplus, given time and context",
            reference=RNODE,
            check=Check(shape=(2, 4, 4), context_shape=(1, 2, 2), options={"hidden": 4}),
        ),
        Component(
            kind="network",
            name="unet-field",
            build="flowzoo_cnf.unet_field:build_unet_field",
            summary="Residual U-Net, given time and context by scale and shift, optional attention",
            reference=UNET,
            check=Check(
                shape=(2, 4, 4),
                context_shape=(1, 2, 2),
                options={"width": 4, "heads": 2, "growth": 1.0},
            ),
        ),
        Component(
            kind="model",
            name="ffjord",
            build="flowzoo.api:cascade_model",
            defaults={
                "bijector": Spec("cnf", objective="flow-matching", **FIELD),
                "normalise": WHOLE,
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={
                "paper": {
                    "bijector": Spec("cnf", blocks=2),
                    "normalise": "standardise",
                }
            },
            published=FFJORD_FIGURES,
            summary="Continuous flow at one resolution",
            reference=FFJORD,
            check=Check(shape=(1, 4, 4), options={"bijector": TINY}, tolerance=2e-5, reason=GRID),
        ),
        Component(
            kind="model",
            name="rnode",
            build="flowzoo.api:cascade_model",
            defaults={
                "bijector": Spec(
                    "cnf", objective="flow-matching+likelihood", kinetic=0.01, jacobian=0.01, **FIELD
                ),
                "normalise": WHOLE,
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={
                "paper": {
                    "bijector": Spec("cnf", blocks=2, kinetic=0.01, jacobian=0.01),
                    "normalise": "standardise",
                }
            },
            published=RNODE_FIGURES,
            summary="FFJORD with kinetic-energy and Jacobian-norm regularisation",
            reference=RNODE,
            check=Check(shape=(1, 4, 4), options={"bijector": TINY}, tolerance=2e-5, reason=GRID),
        ),
    ]
