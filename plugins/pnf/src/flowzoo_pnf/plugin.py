"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

PAPER = '"PNF: Progressive normalizing flows", INNF+ 2021'

FIGURES = (
    Published("MNIST", 1.16, "pnf-2021", "dense couplings"),
    Published("MNIST", 2.00, "pnf-2021", "convolutional couplings"),
    Published("CIFAR-10", 3.82, "pnf-2021", "convolutional couplings"),
    Published("CelebA", 2.82, "pnf-2021", "convolutional couplings"),
)


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="transform",
            name="axis",
            build="flowzoo_pnf.axis:build_axis",
            summary="Means and half differences of pairs of pixels along one axis",
            reference=PAPER,
            check=Check(shape=(2, 3, 4)),
        ),
        Component(
            kind="model",
            name="pnf",
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 5,  # each halves one axis
                "transform": [Spec("axis", axis="width"), Spec("axis", axis="height")],
                "split": Spec("halves"),
                "bijector": Spec("realnvp"),
                "last": None,
                "normalise": "whiten",
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={"paper": {"normalise": "standardise"}},
            published=FIGURES,
            summary="Cascade that halves one axis at a time, affine couplings given the coarse image",
            reference=PAPER,
            check=Check(
                shape=(1, 4, 4),
                options={
                    "levels": 3,
                    "bijector": {
                        "checkerboard": 2,
                        "channel": 2,
                        "network": {"hidden": 4, "blocks": 1},
                    },
                },
            ),
        ),
    ]
