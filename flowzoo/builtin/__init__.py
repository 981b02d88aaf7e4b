"""The built-in plugin: components that need torch alone, brought through the same hook as any other's."""

from __future__ import annotations

from flowzoo.builtin.components.commands import COMMANDS
from flowzoo.builtin.components.datasets import DATASETS
from flowzoo.builtin.components.metrics import METRICS
from flowzoo.component import Check, Component, Spec
from flowzoo.hooks import hookimpl

flowzoo_api_version = 2

_GLOW = "Kingma and Dhariwal, Glow, 2018, arXiv:1807.03039"
_OAS = (
    "Chen, Wiesel, Eldar and Hero, Shrinkage Algorithms for MMSE Covariance Estimation, 2010, arXiv:0907.4698"
)
_REALNVP = "Dinh, Sohl-Dickstein and Bengio, Density Estimation Using Real NVP, 2017, arXiv:1605.08803"


@hookimpl
def flowzoo_components() -> list[Component]:
    """Return the built-in components of every kind, and the Gaussian floor."""
    return [
        *_transforms(),
        *_bijectors(),
        *_splits(),
        *_dequantisations(),
        *_models(),
        *DATASETS,
        *METRICS,
        *COMMANDS,
    ]


def _transforms() -> list[Component]:
    return [
        Component(
            kind="transform",
            name="identity",
            build="flowzoo.builtin.identity:build_identity_transform",
            summary="Leaves the image as it is",
        ),
        Component(
            kind="transform",
            name="squeeze",
            build="flowzoo.builtin.squeeze:build_squeeze",
            summary="Moves each 2x2 block into channels, offset-major",
            reference=_REALNVP,
        ),
        Component(
            kind="transform",
            name="haar",
            build="flowzoo.builtin.haar:build_haar",
            summary="Haar wavelet whose coarse image is the mean of each 2x2 block",
            reference="Haar, Zur Theorie der orthogonalen Funktionensysteme, 1910",
        ),
    ]


def _bijectors() -> list[Component]:
    two_parts = [Spec("actnorm"), Spec("affine", scale=2.0)]
    return [
        Component(
            kind="bijector",
            name="identity",
            build="flowzoo.builtin.identity:build_identity_bijector",
            summary="Leaves the data as they are",
        ),
        Component(
            kind="bijector",
            name="actnorm",
            build="flowzoo.builtin.actnorm:build_actnorm",
            summary="Shift and scale per channel, set by the first pass over data",
            reference=_GLOW,
        ),
        Component(
            kind="bijector",
            name="affine",
            build="flowzoo.builtin.affine:build_affine",
            summary="One fixed scale and shift for all values",
            check=Check(options={"scale": -2.5, "shift": 0.5}),
        ),
        Component(
            kind="bijector",
            name="logit",
            build="flowzoo.builtin.logit:build_logit",
            summary="logit(alpha + (1 - 2 alpha) x): from [0, 1) to the real line",
            reference=_REALNVP,
        ),
        Component(
            kind="bijector",
            name="stack",
            build="flowzoo.builtin.stack:build_stack",
            summary="Bijectors one after another",
            check=(
                Check(options={"parts": two_parts}),
                Check(
                    options={"parts": [Spec("actnorm"), Spec("actnorm")], "training": "greedy"}, name="greedy"
                ),
            ),
        ),
        Component(
            kind="bijector",
            name="standardise",
            build="flowzoo.builtin.standardise:build_standardise",
            summary="A bijector on data and context standardised by fixed statistics per channel",
            check=Check(options={"inner": Spec("actnorm")}),
        ),
        Component(
            kind="bijector",
            name="whiten",
            revision=2,  # images of few values, with a context of few, may be whitened as a whole
            build="flowzoo.builtin.whiten:build_whiten",
            summary="A bijector on data whitened in closed form, given the context's neighbourhood",
            reference=_OAS,
            check=(
                Check(shape=(1, 4, 8), context_shape=(2, 4, 4), options={"inner": Spec("actnorm")}),
                Check(options={"inner": Spec("actnorm"), "block": 2}, name="without a context"),
            ),
        ),
        Component(
            kind="bijector",
            name="gaussian",
            build="flowzoo.builtin.gaussian:build_gaussian",
            summary="Whitening by a Gaussian with full covariance, fitted in closed form",
            reference=_OAS,
            revision=2,
            check=Check(shape=(1, 2, 4), context_shape=(1, 2, 2)),
        ),
    ]


def _splits() -> list[Component]:
    return [
        Component(
            kind="split",
            name="keep-first-channels",
            build="flowzoo.builtin.keep_first_channels:build_keep_first_channels",
            summary="Keeps the first C/divisor channels: a coarse image in front of its details",
            check=Check(shape=(8, 2, 2)),
        ),
        Component(
            kind="split",
            name="halves",
            build="flowzoo.builtin.keep_first_channels:build_halves",
            summary="Keeps the first half of the channels",
            reference=_REALNVP,
            check=Check(shape=(4, 2, 2)),
        ),
        Component(
            kind="split",
            name="keep-nothing",
            build="flowzoo.builtin.keep_nothing:build_keep_nothing",
            summary="Factors everything out: the last level's split",
        ),
    ]


def _dequantisations() -> list[Component]:
    return [
        Component(
            kind="dequantisation",
            name="uniform",
            build="flowzoo.builtin.uniform:build_uniform",
            summary="Noise that is uniform over the bin",
            reference="Theis, van den Oord and Bethge, A Note on the Evaluation of Generative Models, 2016, "
            "arXiv:1511.01844",
            check=Check(shape=(1, 2, 2)),
        ),
        Component(
            kind="dequantisation",
            name="truncated-normal",
            build="flowzoo.builtin.truncated_normal:build_truncated_normal",
            summary="Normal noise around the middle of the bin, cut at its ends",
            reference="Zheng, Lu, Chen and Zhu, Improved Techniques for Maximum Likelihood Estimation for "
            "Diffusion ODEs, 2023, arXiv:2305.03935",
            check=Check(shape=(1, 2, 2)),
        ),
    ]


def _models() -> list[Component]:
    return [
        Component(
            kind="model",
            name="gaussian",
            build="flowzoo.builtin.gaussian_model:build_gaussian_model",
            summary="One Gaussian with full covariance: the floor that every model has to beat",
            reference=_OAS,
            revision=2,
            check=Check(shape=(1, 4, 4)),
        ),
    ]
