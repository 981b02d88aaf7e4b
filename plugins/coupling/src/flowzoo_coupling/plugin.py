"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, Published, Spec, hookimpl

flowzoo_api_version = 2

REALNVP = "Dinh, Sohl-Dickstein and Bengio, Density Estimation Using Real NVP, 2017, arXiv:1605.08803"
GLOW = "Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039"
TARFLOW = "Zhai et al., Normalizing Flows are Capable Generative Models, 2024, arXiv:2412.06329"
FLOW_PLUS_PLUS = "Ho, Chen, Srinivas, Duan and Abbeel, Flow++, 2019, arXiv:1902.00275"
JET = "Kolesnikov, Pinto and Tschannen, Jet, 2024, arXiv:2412.15129"
WEIGHT_NORM = "Salimans and Kingma, Weight Normalization, 2016, arXiv:1602.07868"

REALNVP_FIGURES = {"CIFAR-10": 3.49, "ImageNet 32": 4.28, "ImageNet 64": 3.98, "CelebA": 3.02}
GLOW_FIGURES = {"CIFAR-10": 3.35, "ImageNet 32": 4.09, "ImageNet 64": 3.81}

NARROW = {"hidden": 4}
TINY_REALNVP = {"checkerboard": 2, "channel": 2, "network": {"hidden": 4, "blocks": 1}}
TINY_FLOW_PLUS_PLUS = {"steps": 2, "logistics": 2, "network": {"hidden": 4, "blocks": 1}}
TINY_GLOW = {"steps": 2, "squeeze": True, "network": NARROW}
TINY_TARFLOW = {"blocks": 2, "width": 4, "depth": 1, "heads": 2}
OTHER_TARFLOW = {**TINY_TARFLOW, "patch_size": 2, "inverse": "jacobi", "orders": ["columns-reversed"]}


@hookimpl
def flowzoo_components() -> list[Component]:
    return [*_networks(), *_bijectors(), *_splits(), *_dequantisations(), *_models()]


def _networks() -> list[Component]:
    return [
        Component(
            kind="network",
            name="residual-conv",
            build="flowzoo_coupling.residual_conv:build_residual_conv",
            summary="Residual blocks of weight-normalised 1x1 and 3x3 convolutions",
            reference=WEIGHT_NORM,
            check=Check(shape=(2, 4, 4), context_shape=(1, 2, 2), options={"hidden": 4, "blocks": 1}),
        ),
        Component(
            kind="network",
            name="glow-conv",
            build="flowzoo_coupling.glow_conv:build_glow_conv",
            summary="Three convolutions: 3x3, 1x1, 3x3",
            reference=GLOW,
            check=Check(shape=(2, 4, 4), context_shape=(1, 2, 2), options=NARROW),
        ),
        Component(
            kind="network",
            name="dense",
            build="flowzoo_coupling.dense:build_dense",
            summary="Fully connected layers over all values",
            check=Check(shape=(2, 2, 2), context_shape=(1, 4, 4), options={"hidden": 8}),
        ),
        Component(
            kind="network",
            name="gated-resnet",
            build="flowzoo_coupling.gated_resnet:build_gated_resnet",
            summary="Gated residual blocks, normalised pixel by pixel, with attention if asked for",
            reference=FLOW_PLUS_PLUS,
            check=(
                Check(shape=(2, 2, 3), context_shape=(1, 2, 2), options={"hidden": 4, "blocks": 1}),
                Check(
                    shape=(1, 2, 2),
                    options={"hidden": 4, "blocks": 1, "attention": 2},
                    name="with attention",
                ),
            ),
        ),
        Component(
            kind="network",
            name="vit",
            build="flowzoo_coupling.vit:build_vit",
            summary="Vision transformer over patches",
            reference=JET,
            # The patches do not fit the width, so zeros are padded.
            check=Check(
                shape=(1, 2, 3), context_shape=(1, 2, 2), options={"width": 4, "depth": 1, "heads": 2}
            ),
        ),
    ]


def _bijectors() -> list[Component]:
    return [
        Component(
            kind="bijector",
            name="realnvp",
            build="flowzoo_coupling.realnvp:build_realnvp",
            summary="Couplings over checkerboards, then over halves of the squeezed channels",
            reference=REALNVP,
            check=Check(shape=(2, 2, 4), context_shape=(1, 2, 4), options=TINY_REALNVP),
        ),
        Component(
            kind="bijector",
            name="glow",
            build="flowzoo_coupling.glow:build_glow",
            summary="Steps of ActNorm, invertible 1x1 convolution and coupling",
            reference=GLOW,
            check=Check(shape=(2, 2, 4), context_shape=(1, 2, 4), options=TINY_GLOW),
        ),
        Component(
            kind="bijector",
            name="flow-plus-plus",
            build="flowzoo_coupling.glow:build_glow",
            defaults={
                "steps": 4,
                "squeeze": False,
                "network": Spec("gated-resnet"),
                "scale_limit": 2.0,
                "coupling": "mixture-cdf",
                "logistics": 8,
                "tolerance": 1e-10,
            },
            summary="Steps of ActNorm, invertible 1x1 convolution and mixture-CDF coupling",
            reference=FLOW_PLUS_PLUS,
            check=Check(
                shape=(2, 2, 4), context_shape=(1, 2, 4), options={**TINY_FLOW_PLUS_PLUS, "squeeze": True}
            ),
        ),
        Component(
            kind="bijector",
            name="conditional-affine",
            build="flowzoo_coupling.conditional_affine:build_conditional_affine",
            summary="Mean and spread given by the context: Glow's learned prior",
            reference=GLOW,
            check=Check(shape=(2, 2, 2), context_shape=(1, 4, 4), options={"network": NARROW}),
        ),
        Component(
            kind="bijector",
            name="tarflow",
            build="flowzoo_coupling.tarflow:build_tarflow",
            summary="Causal transformers over patches, in alternating orders",
            reference=TARFLOW,
            check=(
                Check(shape=(1, 2, 4), context_shape=(1, 2, 4), options=TINY_TARFLOW),
                Check(shape=(1, 2, 6), options=OTHER_TARFLOW, name="patches of 2x2"),
            ),
        ),
    ]


def _splits() -> list[Component]:
    return [
        Component(
            kind="split",
            name="checkerboard",
            build="flowzoo_coupling.offset_split:build_checkerboard_split",
            summary="Keeps every second pixel, as on a checkerboard",
            reference=REALNVP,
        ),
        Component(
            kind="split",
            name="channel",
            build="flowzoo_coupling.offset_split:build_channel_split",
            summary="Squeezes and keeps the first half of the channels",
            reference=REALNVP,
        ),
    ]


def _dequantisations() -> list[Component]:
    return [
        Component(
            kind="dequantisation",
            name="variational",
            build="flowzoo_coupling.variational:build_variational",
            summary="Noise that a conditional flow draws, trained with the model",
            reference=FLOW_PLUS_PLUS,
            check=Check(shape=(1, 2, 2), options={"bijector": {"checkerboard": 2, "network": {"hidden": 4}}}),
        ),
    ]


def _models() -> list[Component]:
    return [
        Component(
            kind="model",
            name="realnvp",
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 3,
                "transform": Spec("identity"),
                "joint": Spec("realnvp"),
                "split": Spec("channel"),
                "bijector": Spec("identity"),
                "last": Spec("realnvp", checkerboard=4, channel=0),
                "normalise": {"name": "whiten-blocks"},
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={"paper": {"normalise": "standardise"}},
            published=_figures(REALNVP_FIGURES, "arXiv 1605.08803"),
            summary="Multi-scale affine couplings over checkerboards and channels",
            reference=REALNVP,
            check=Check(shape=(1, 4, 4), options={"levels": 2, "joint": TINY_REALNVP, "last": TINY_REALNVP}),
        ),
        Component(
            kind="model",
            name="glow",
            build="flowzoo.api:cascade_model",
            defaults={
                "levels": 3,
                "transform": Spec("identity"),
                "joint": Spec("glow", squeeze=True),
                "split": Spec("channel"),
                "bijector": Spec("conditional-affine"),
                "last": Spec("glow", squeeze=True),
                "normalise": {"name": "whiten-blocks"},
                "precondition": None,
                "precondition_share": 0.1,
            },
            presets={"paper": {"normalise": "standardise"}},
            published=_figures(GLOW_FIGURES, "arXiv 1807.03039"),
            summary="Multi-scale steps of ActNorm, 1x1 convolution and affine coupling",
            reference=GLOW,
            check=Check(
                shape=(1, 4, 4),
                options={
                    "levels": 2,
                    "joint": TINY_GLOW,
                    "bijector": {"network": NARROW},
                    "last": TINY_GLOW,
                },
            ),
        ),
        Component(
            kind="model",
            name="tarflow",
            build="flowzoo.api:cascade_model",
            # Colour images of 32x32 pixels too are whitened as a whole: it starts as good as a Gaussian.
            defaults={"bijector": Spec("tarflow"), "normalise": {"name": "whiten", "whole": 3072}},
            summary="Causal transformers over the patches of an image",
            reference=TARFLOW,
            check=Check(shape=(1, 2, 4), options={"bijector": TINY_TARFLOW}),
        ),
    ]


def _figures(by_data: dict[str, float], source: str) -> tuple[Published, ...]:
    return tuple(Published(data, bits, source) for data, bits in by_data.items())
