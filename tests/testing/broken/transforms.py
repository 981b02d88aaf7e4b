"""Sound transforms, and what can be broken in them."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.builtin.block_mean import BlockMean
from flowzoo.run import EVALUATION, Run
from flowzoo.shapes import Shape
from flowzoo.transform import ResolutionTransform
from tests.testing.broken.example import (
    Example,
    after,
    bijection_breaks,
    declared,
    instead,
)


class Pyramid(ResolutionTransform):
    """A stochastic transform: puts a noisy copy in front of the image, and drops it again."""

    def forward(self, x: Tensor, run: Run = EVALUATION) -> tuple[Tensor, Tensor]:
        noise = run.normal(x)
        return torch.cat([x + noise, x], dim=1), 0.5 * noise.square().flatten(1).sum(1)

    def inverse(self, y: Tensor, run: Run = EVALUATION) -> Tensor:
        return y.chunk(2, dim=1)[1]

    def output_shape(self, shape: Shape) -> Shape:
        return 2 * shape[0], shape[1], shape[2]


def fixed_draws(pyramid: Pyramid, x: Tensor, run: Run) -> tuple[Tensor, Tensor]:
    return Pyramid.forward(pyramid, x, EVALUATION)


TRANSFORM = Example(
    "transform",
    lambda _: BlockMean(0.5),
    {
        **bijection_breaks(),
        "it mixes values and declares to move them": ("permutation", declared("permutes", True)),
        "the stated shape is another": ("shapes", instead("output_shape", lambda _, shape: shape)),
    },
)
STOCHASTIC = Example(
    "transform",
    lambda _: Pyramid(),
    {
        **{name: each for name, each in bijection_breaks().items() if each[0] != "log-det"},
        "the inverse keeps the noisy copy": (
            "round-trip",
            instead("inverse", lambda _, y, run: y.chunk(2, dim=1)[0]),
        ),
        "nothing is drawn": ("log-det", instead("forward", fixed_draws)),
        "log_det is infinite": ("log-det", after("forward", lambda r, *_: (r[0], r[1] / 0))),
    },
    exact=False,
)
