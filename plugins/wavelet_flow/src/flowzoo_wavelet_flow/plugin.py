"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Spec, hookimpl

flowzoo_api_version = 2

PAPER = 'Yu, Derpanis and Brubaker, "Wavelet Flow: Fast Training of High Resolution Normalizing Flows", 2020'

# Without a bound on what the networks see, a sample that leaves the data's range at one place explodes there.
NETWORK = Spec("glow-conv", hidden=64, input_limit=8.0)

TINY_GLOW = {"steps": 1, "network": {"hidden": 4}}


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="bijector",
            name="crops",
            build="flowzoo_wavelet_flow.crops:build_crops",
            summary="A bijector trained on crops whose loss is on average the whole image's",
            reference=PAPER,
            check=Check(
                shape=(2, 2, 8),
                context_shape=(1, 2, 8),
                options={"inner": Spec("glow", **TINY_GLOW), "size": 2},
            ),
        ),
        Component(
            kind="command",
            name="anneal",
            build="flowzoo_wavelet_flow.anneal:anneal",
            summary="Draw samples of a trained model, plain, scaled and annealed, into one picture.",
            reference=PAPER,
            example="flowzoo anneal runs/wavelet-flow --temperature 0.9 -o annealed.png",
        ),
        Component(
            kind="model",
            name="wavelet-flow",
            build="flowzoo_wavelet_flow.model:build_wavelet_flow",
            defaults={
                "levels": 3,
                "transform": Spec("haar"),
                "split": Spec("keep-first-channels", divisor=4),
                "bijector": Spec("glow", steps=8, network=NETWORK),
                "last": Spec("glow", steps=8, squeeze=True, network=NETWORK),
                "crop": None,
                "halo": None,
                "at_once": 256,
                "normalise": "whiten",
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={
                "paper": {
                    "bijector": Spec("glow", steps=8, network=Spec("glow-conv", hidden=64)),
                    "last": Spec("glow", steps=8, squeeze=True, network=Spec("glow-conv", hidden=64)),
                    "normalise": "standardise",
                }
            },
            summary="Haar wavelet cascade of Glow's steps",
            reference=PAPER,
            check=Check(
                shape=(1, 4, 4),
                options={"levels": 2, "bijector": TINY_GLOW, "last": {**TINY_GLOW, "squeeze": True}},
            ),
        ),
    ]
