"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

PAPER = 'Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024'


FIGURES = {"CIFAR-10": 3.54, "ImageNet 32": 3.77, "ImageNet 64": 3.44, "ImageNet 128": 3.31}


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
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 3,
                "transform": Spec("unimodular"),
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
                    "bijector": Spec("cnf", blocks=2, kinetic=0.01, jacobian=0.01),
                    "normalise": "standardise",
                    "precondition": None,
                }
            },
            published=tuple(Published(data, bits, "arXiv 2106.08462") for data, bits in FIGURES.items()),
            summary="Multi-resolution cascade of continuous flows, unimodular transform",
            reference=PAPER,
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
        ),
    ]
