"""The suites that the core registers."""

from __future__ import annotations

from flowzoo.component import Component


def _suite(name: str, summary: str) -> Component:
    build = f"flowzoo.bench.suites:{name.replace('-', '_')}"
    return Component(kind="suite", name=name, build=build, summary=summary)


SUITES = (
    _suite("quick", "Every model on digits, minutes on a laptop"),
    _suite("standard", "Every model on Fashion-MNIST and on colour photographs, 32x32"),
    _suite("equal-time", "Every model for a minute on digits, and how fast it gets there"),
    _suite("speed", "Training step, log_prob, sampling and inversion of every model"),
    _suite("cifar10", "The papers' models on CIFAR-10, for a GPU"),
    _suite("imagenet32", "The papers' models on both down-sampled ImageNets at 32x32, for a GPU"),
    _suite("imagenet64", "The papers' models on both down-sampled ImageNets at 64x64, for a GPU"),
    _suite("celeba64", "RealNVP, LCMA, PNF, Glow and a continuous cascade on CelebA 64x64, for a GPU"),
    _suite(
        "paper-lcma", "What to factor out, by likelihood contribution and otherwise, as in LCMA's ablation"
    ),
    _suite(
        "paper-msflow-regularisers", "Regularisers by STEER, trained on the likelihood, as in MSFlow's table"
    ),
    _suite("paper-msflow-scales", "Two to five scales, by image and by wavelet, as in MSFlow's tables"),
    _suite("paper-pnf", "PNF beside RealNVP, dense and convolutional, on MNIST's digits"),
    _suite("paper-wavelet-flow-speed", "Time to equal bits/dim, Wavelet Flow beside Glow"),
)
