"""What this plugin registers. Nothing here imports torch."""

from __future__ import annotations

from flowzoo.api import Check, Component, hookimpl

flowzoo_api_version = 2


@hookimpl
def flowzoo_components() -> list[Component]:
    return [
        Component(
            kind="metric",
            name="frechet",
            build="flowzoo_frechet.metric:Frechet",
            summary="Fréchet distance of samples from test images, in features of a network",
            reference="Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, arXiv:1706.08500",
            revision=2,
            check=Check(shape=(1, 8, 8), options={"steps": 5}),
        ),
        Component(
            kind="command",
            name="temperature",
            build="flowzoo_frechet.temperature:temperature",
            summary="Measure how good a trained model's samples are at several temperatures.",
            example="flowzoo temperature runs/first --by-level --plot temperature.png",
        ),
    ]
