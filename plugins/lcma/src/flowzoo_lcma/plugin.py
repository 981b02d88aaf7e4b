"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

PAPER = 'Das, Abbeel and Spanos, "Likelihood Contribution based Multi-scale Architecture", 2019'

TINY = {
    "levels": 2,
    "joint": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 1}},
    "last": {"checkerboard": 2, "network": {"hidden": 4, "blocks": 1}},
}


FIGURES = {"CIFAR-10": 3.43, "ImageNet 32": 4.21, "ImageNet 64": 3.92, "CelebA": 2.71}
ABLATION = {"random": 3.05, "lcma-high": 3.10, "RealNVP's split": 3.02, "lcma": 2.71}


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="split",
            name="lcma",
            build="flowzoo_lcma.by_contribution:build_lcma",
            summary="Factors out the two pixels of each 2x2 block that contribute least to the likelihood",
            reference=PAPER,
        ),
        Component(
            kind="split",
            name="lcma-high",
            build="flowzoo_lcma.by_contribution:build_lcma_high",
            summary="Factors out the two pixels of each 2x2 block that contribute most: a control for lcma",
            reference=PAPER,
        ),
        Component(
            kind="split",
            name="random",
            build="flowzoo_lcma.random_half:build_random",
            summary="Factors out a fixed random half of all pixels: a control for lcma",
            reference=PAPER,
        ),
        Component(
            kind="model",
            name="lcma",
            build="flowzoo.api:cascade_model",
            # Couplings come in pairs: with three masks A, B, A the pixels of B would be transformed twice,
            # and score higher for that alone.
            defaults={
                "levels": 3,
                "transform": Spec("identity"),
                "joint": Spec("realnvp", checkerboard=4, channel=2),
                "split": Spec("lcma"),
                "bijector": Spec("identity"),
                "last": Spec("realnvp", checkerboard=4, channel=0),
                "normalise": {"name": "whiten-blocks"},
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={"paper": {"normalise": "standardise"}},
            published=(
                *(Published(data, bits, "lcma-2019", "RealNVP + LCMA") for data, bits in FIGURES.items()),
                *(Published("CelebA", bits, "lcma-2019", variant) for variant, bits in ABLATION.items()),
            ),
            summary="RealNVP whose splits keep the pixels that contribute most to the likelihood",
            reference=PAPER,
            check=Check(shape=(1, 4, 4), options=TINY),
        ),
    ]
