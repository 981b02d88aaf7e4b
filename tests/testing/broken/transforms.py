"""Sound transforms, and what can be broken in them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from flowzoo.builtin.block_mean import BlockMean
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check
from flowzoo.exactness import Exactness
from flowzoo.shapes import Shape
from flowzoo.traits import TransformTraits
from flowzoo.transform import ResolutionTransform
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    bijection_breaks,
    everywhere_breaks,
    flavoured,
    in_its_traits,
    instead,
)


class Pyramid(ResolutionTransform):
    """A stochastic transform: puts a noisy copy in front of the image, and drops it again."""

    traits = TransformTraits(Exactness.BOUND, stochastic=True)

    def forward(self, x: Tensor, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        noise = call.normal(x)
        constant = 0.5 * math.log(2 * math.pi) * x[0].numel()
        return torch.cat([x + noise, x], dim=1), 0.5 * noise.square().flatten(1).sum(1) + constant

    def inverse(self, y: Tensor, call: Call = EVALUATION) -> Tensor:
        return y.chunk(2, dim=1)[1]

    def output_shape(self, shape: Shape) -> Shape:
        return 2 * shape[0], shape[1], shape[2]


def fixed_draws(pyramid: Pyramid, x: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    return Pyramid.forward(pyramid, x, EVALUATION)


def fixed_in_evaluation(pyramid: Pyramid, x: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    return Pyramid.forward(pyramid, x, call if call.training else EVALUATION)


def with_noise(result: tuple[Tensor, Tensor], x: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    return result[0] + call.normal(result[0]), result[1]


def with_noise_in_training(result: tuple[Tensor, Tensor], x: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    return with_noise(result, x, call) if call.training else result


def on_bands(change: Callable[[Tensor], Tensor]) -> Break:
    return after("forward", lambda r, *_: (change(r[0]), r[1]))


def colour_major(y: Tensor) -> Tensor:
    return y.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)


def coarse_last(y: Tensor) -> Tensor:
    return y.unflatten(1, (4, -1)).roll(-1, 1).flatten(1, 2)


class ColourMajor(ResolutionTransform):
    """A stochastic transform that moves blocks into channels as ``pixel_unshuffle`` does."""

    traits = TransformTraits(Exactness.BOUND, stochastic=True)
    flavour = "plain"

    def forward(self, x: Tensor, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        y = pixel_unshuffle(x, 2)
        return y + call.normal(y), y.new_zeros(len(y))

    def inverse(self, y: Tensor, call: Call = EVALUATION) -> Tensor:
        return pixel_shuffle(y, 2)

    def output_shape(self, shape: Shape) -> Shape:
        return 4 * shape[0], shape[1] // 2, shape[2] // 2


def sorting(transform: BlockMean) -> BlockMean:
    """Order the channels by the values of the first image."""

    def forward(transform: BlockMean, x: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        return x[:, x[0].flatten(1).sum(1).argsort()], x.new_zeros(len(x))

    return in_its_traits(permutes=True)(instead("forward", forward)(transform))


TRANSFORM = Example(
    "transform",
    flavoured(lambda _: BlockMean(0.5)),
    {
        **bijection_breaks(),
        **everywhere_breaks(),
        "it says that it draws": ("stochastic", in_its_traits(stochastic=True)),
        "it draws and does not say so": ("stochastic", after("forward", with_noise)),
        "it draws in training and does not say so": ("stochastic", after("forward", with_noise_in_training)),
        "its log_det is a bound and it draws nothing": (
            "stochastic",
            in_its_traits(exactness=Exactness.BOUND),
        ),
        "it dequantises and does not draw": ("stochastic", in_its_traits(dequantises=True)),
        "bands are laid out colour-major": (
            "bands",
            on_bands(colour_major),
        ),
        "the coarse image comes last": ("bands", on_bands(coarse_last)),
        "bands are transposed": ("bands", on_bands(lambda y: y.mT)),
        "height and width are mixed up in the stated shape": (
            "other-shapes",
            after("output_shape", lambda shape, _: (shape[0], shape[2], shape[1])),
        ),
        "where values go depends on them": ("permutation", sorting),
        "it mixes values and declares to move them": ("permutation", in_its_traits(permutes=True)),
        "the stated shape is another": ("shapes", instead("output_shape", lambda _, shape: shape)),
    },
    check=Check(shape=(2, 4, 4)),
)
STOCHASTIC = Example(
    "transform",
    flavoured(lambda _: Pyramid()),
    {
        **everywhere_breaks(),
        "it draws and says that it does not": ("stochastic", in_its_traits(stochastic=False)),
        "log_det lacks the density's constant": (
            "density",
            after("forward", lambda r, x, _: (r[0], r[1] - 0.5 * math.log(2 * math.pi) * x[0].numel())),
        ),
        "log_det has the wrong sign": ("density", after("forward", lambda r, *_: (r[0], -r[1]))),
        "it says that it dequantises, and its draw is not uniform": (
            "stochastic",
            in_its_traits(dequantises=True),
        ),
        "it draws in training only": ("stochastic", instead("forward", fixed_in_evaluation)),
        "channels are laid out colour-major": ("bands", lambda _: ColourMajor()),
        **{name: each for name, each in bijection_breaks().items() if each[0] != "log-det"},
        "the inverse keeps the noisy copy": (
            "round-trip",
            instead("inverse", lambda _, y, call: y.chunk(2, dim=1)[0]),
        ),
        "nothing is drawn": ("log-det", instead("forward", fixed_draws)),
        "log_det is infinite": ("log-det", after("forward", lambda r, *_: (r[0], r[1] / 0))),
    },
    exact=False,
    check=Check(shape=(2, 2, 2), reason="part of it is drawn"),
)
