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
            kind="metric",
            name="kid",
            build="flowzoo_frechet.similarity:Kid",
            summary="Kernel distance of samples from test images, in features of a network",
            reference="Binkowski et al., Demystifying MMD GANs, 2018, arXiv:1801.01401",
            check=Check(shape=(1, 8, 8), options={"steps": 5}),
        ),
        Component(
            kind="metric",
            name="precision",
            build="flowzoo_frechet.similarity:Precision",
            summary="Share of samples that lie among test images, in features of a network",
            reference="Kynkäänniemi et al., Improved Precision and Recall Metric, 2019, arXiv:1904.06991",
            check=Check(shape=(1, 8, 8), options={"steps": 5}),
        ),
        Component(
            kind="metric",
            name="recall",
            build="flowzoo_frechet.similarity:Recall",
            summary="Share of test images that lie among samples, in features of a network",
            reference="Kynkäänniemi et al., Improved Precision and Recall Metric, 2019, arXiv:1904.06991",
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
