"""A sound dequantisation, and what can be broken in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check
from flowzoo.dequantisation import Dequantisation
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    common_breaks,
    flavoured,
    instead,
    under_option,
)


class Leaning(Dequantisation):
    """``u = sigmoid(1.5 eps + weight a / M + bias)``: where it lies in the bin depends on the integer."""

    title = "leaning"

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.bias = nn.Parameter(torch.tensor(0.1))

    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        eps = call.normal(images.double())
        y = 1.5 * eps + self.weight * (images.double() / bins) + self.bias
        normal = -0.5 * eps.square() - 0.5 * math.log(2 * math.pi) - math.log(1.5)
        return torch.sigmoid(y), (normal + F.softplus(y) + F.softplus(-y)).flatten(1).sum(1)


def leaning(trial: Trial) -> Leaning:
    return Leaning()


def _log_q(change: Callable[[Tensor, Tensor], Tensor]) -> Break:
    return after("forward", lambda result, *_: (result[0], change(*result)))


def _noise(change: Callable[[Tensor], Tensor]) -> Break:
    return after("forward", lambda result, *_: (change(result[0]), result[1]))


def without_the_sigmoid(u: Tensor, log_q: Tensor) -> Tensor:
    return log_q + (u.log() + (-u).log1p()).flatten(1).sum(1)


def folded(result: tuple[Tensor, Tensor], *_: Any) -> tuple[Tensor, Tensor]:
    """Two draws give each noise, and the density of one of them is stated."""
    u, log_q = result
    return (2.0 * u - 1.0).abs(), log_q - u[0].numel() * math.log(2.0)


def drawing_more(built: Any, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
    call.normal(images[:, :, :1].double())
    return Leaning.forward(built, images, bins, call)


def started_again(built: Any) -> Any:
    offset = [0.0]

    def shift(result: tuple[Tensor, Tensor], images: Tensor, bins: int, call: Call) -> tuple[Tensor, Tensor]:
        if call.mode == "initialise":
            offset[0] = 1e-3 * float(images.double().mean())
        return result[0] * (1.0 - offset[0]), result[1]

    return after("forward", shift)(built)


def named(title: Any) -> Break:
    def rename(built: Any) -> Any:
        built.title = title
        return built

    return rename


_APPLICABLE = {
    name: each
    for name, each in common_breaks("forward", lambda r, change: (change(r[0]), r[1])).items()
    if each[0] not in ("layouts", "dtype-and-device")
}

DEQUANTISATION = Example(
    "dequantisation",
    flavoured(leaning),
    {
        **_APPLICABLE,
        "the noise leaves the bin": ("shapes", _noise(lambda u: u + 0.5)),
        "the noise leaves the bin far out": ("shapes", _noise(lambda u: 1.003 * u - 0.0015)),
        "log q is infinite far out": ("shapes", _log_q(lambda u, log_q: log_q / (u < 0.999).all())),
        "log q has a number for each value": ("shapes", _log_q(lambda u, log_q: 0 * u)),
        "it has no title": ("shapes", named("")),
        "log q misses the sigmoid": ("log-q", _log_q(without_the_sigmoid)),
        "log q misses a constant": ("log-q", _log_q(lambda u, log_q: log_q + 1e-3)),
        "log q has the wrong sign": ("log-q", _log_q(lambda u, log_q: -log_q)),
        "log q is wrong for bytes": (
            "log-q",
            after("forward", lambda r, x, bins, *_: (r[0], r[1] + 0.01 * (bins == 256))),
        ),
        "more is drawn than there are values": ("log-q", instead("forward", drawing_more)),
        "q does not integrate to one": ("density", _log_q(lambda u, log_q: log_q - 0.5)),
        "q without the sigmoid does not integrate to one": ("density", _log_q(without_the_sigmoid)),
        "two draws give the same noise": ("density", after("forward", folded)),
        "two draws give the same noise, so probabilities are too large": (
            "probabilities",
            after("forward", folded),
        ),
        "log q is too small, so probabilities are too large": (
            "probabilities",
            _log_q(lambda u, log_q: log_q - 1.0),
        ),
        "it starts again with every first pass": ("first-pass", started_again),
        "log q is wrong for oblong images": (
            "other-shapes",
            after("forward", lambda r, x, *_: r if x.shape[2] == x.shape[3] else (r[0], r[1] + 0.01)),
        ),
        "log q is wrong under another option": (
            "other-options",
            under_option(_log_q(lambda u, log_q: log_q + 0.01)),
        ),
    },
    check=Check(shape=(1, 2, 2)),
)
