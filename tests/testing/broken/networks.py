"""A sound network, and what can be broken in it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check
from flowzoo.network import Network, Prepared
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    common_breaks,
    declared,
    flavoured,
    instead,
    under_option,
)


class ToyNetwork(Network):
    """One convolution over image, time and the mean of the context."""

    receptive_radius = 1

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.timed = trial.timed
        channels = trial.check.shape[0]
        given = 0 if trial.check.context_shape is None else trial.check.context_shape[0]
        self.conv = nn.Conv2d(channels + given + trial.timed, channels + 1, 3, padding=1)

    def forward(
        self, x: Tensor, context: Tensor | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Tensor:
        planes = [x]
        if context is not None:
            planes.append(context.mean((2, 3), keepdim=True).expand(-1, -1, *x.shape[2:]))
        if time is not None:
            planes.append(time.reshape(-1, 1, 1, 1).expand(len(x), 1, *x.shape[2:]))
        return torch.tanh(self.conv(torch.cat(planes, 1)))


def unused_input(place: int) -> Break:
    """Return a break that makes a network ignore its context (1) or its time (2), but not its parameters."""

    def forward(net: ToyNetwork, *inputs: Any) -> Tensor:
        changed = [
            each if i != place or not isinstance(each, Tensor) else torch.zeros_like(each)
            for i, each in enumerate(inputs)
        ]
        return ToyNetwork.forward(net, *changed)

    return instead("forward", forward)


def same_size_only(net: ToyNetwork) -> ToyNetwork:
    def forward(
        net: ToyNetwork,
        x: Tensor,
        context: Tensor | None = None,
        time: Tensor | None = None,
        call: Call = EVALUATION,
    ) -> Tensor:
        assert context is None or context.shape[2:] == x.shape[2:]
        return ToyNetwork.forward(net, x, context, time)

    return instead("forward", forward)(net)


def one_time_only(net: ToyNetwork) -> ToyNetwork:
    def forward(
        net: ToyNetwork,
        x: Tensor,
        context: Tensor | None = None,
        time: Tensor | None = None,
        call: Call = EVALUATION,
    ) -> Tensor:
        return ToyNetwork.forward(net, x, context, None if time is None else time.flatten()[:1] + time.ndim)

    return instead("forward", forward)(net)


def prepared(break_it: Break) -> Break:
    """Return a break of what a network prepares."""
    return after("prepare", lambda built, *_: break_it(built))


def pushed(method: str, change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Break:
    """Return a break of what a prepared network's ``jvp`` or ``jvp_many`` returns."""
    return prepared(after(method, lambda result, *_: change(*result)))


def next_context(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
    return Prepared(net, None if context is None else context.roll(1, 0))


def detached_context(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
    return Prepared(net, None if context is None else context.detach())


def first_tangent_for_all(built: Prepared, x: Tensor, tangents: Tensor, time: float) -> tuple[Tensor, Tensor]:
    return Prepared.jvp_many(built, x, tangents[:, :1], time)


def own_tangents_only(built: Prepared, x: Tensor, tangents: Tensor, time: float) -> tuple[Tensor, Tensor]:
    assert tangents.shape[1:] == x.shape
    return Prepared.jvp_many(built, x, tangents, time)


def wrapped_around(net: ToyNetwork) -> ToyNetwork:
    net.conv.padding_mode = "circular"
    return net


def far_reach(net: ToyNetwork) -> ToyNetwork:
    """Look at the whole image, and declare a reach that only a larger image than the trial's can refute."""
    net.receptive_radius = 5
    return after("forward", lambda y, x, *_: y + x.mean((1, 2, 3), keepdim=True))(net)


def prepared_once(net: ToyNetwork) -> ToyNetwork:
    """Keep what was prepared for a context, whatever becomes of the parameters."""
    known: dict[int, Prepared] = {}

    def prepare(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
        return known.setdefault(id(context), Prepared(copy.deepcopy(net), context))

    return instead("prepare", prepare)(net)


def old_weights(net: ToyNetwork) -> ToyNetwork:
    """Keep a copy of the network on the network, made at the first call."""

    def prepare(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
        frozen = vars(net).setdefault("frozen", copy.deepcopy(net))
        return Prepared(frozen, context)

    return instead("prepare", prepare)(net)


def last_context(net: ToyNetwork) -> ToyNetwork:
    class Shared(Prepared):
        def __call__(self, x: Tensor, time: Any) -> Tensor:
            return net(x, latest[-1], torch.as_tensor(time, dtype=x.dtype))

    latest: list[Tensor | None] = []

    def prepare(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
        latest.append(context)
        return Shared(net, context)

    return instead("prepare", prepare)(net)


def scaled_context(net: ToyNetwork) -> ToyNetwork:
    def prepare(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
        return Prepared(net, None if context is None else context.mul_(1.5))

    return instead("prepare", prepare)(net)


def branching(y: Tensor, *_: Any) -> Tensor:
    return y if y.abs().max() < 10 else y / 2


NETWORK = Example(
    "network",
    flavoured(ToyNetwork),
    {
        "what is prepared stays as it was first": ("prepared", prepared_once),
        "what is prepared has the weights of the first call": ("prepared", old_weights),
        "two that are prepared share a context": ("prepared", last_context),
        "preparing writes into the context": ("prepared", scaled_context),
        "it branches on the values": ("values", after("forward", branching)),
        "it looks for large values": ("values", after("forward", lambda y, *_: y + 0 * len(y[y > 0.5]))),
        "high images are transposed": (
            "other-shapes",
            after("forward", lambda y, x, *_: y if x.shape[2] == x.shape[3] else y.mT),
        ),
        "a channel is lost under another option": (
            "other-options",
            under_option(after("forward", lambda y, *_: y[:, 1:])),
        ),
        **common_breaks("forward", lambda result, change: change(result)),
        "the number of channels is another": ("shapes", after("forward", lambda y, *_: y[:, 1:])),
        "the context is ignored": ("context", unused_input(1)),
        "a context of another size is refused": ("context", same_size_only),
        "the time is ignored": ("time", unused_input(2)),
        "one time is not as good as the same for each": ("time", one_time_only),
        "what is prepared has another context": ("jvp", instead("prepare", next_context)),
        "what is prepared gives the context no gradient": ("jvp", instead("prepare", detached_context)),
        "jvp gives another value": ("jvp", pushed("jvp", lambda y, product: (2 * y, product))),
        "jvp gives another product": ("jvp", pushed("jvp", lambda y, product: (y, 2 * product))),
        "push's value has no gradient": ("jvp", pushed("jvp", lambda y, product: (y.detach(), product))),
        "push's product has no gradient": ("jvp", pushed("jvp", lambda y, product: (y, product.detach()))),
        "tangents are mixed up": ("jvp", pushed("jvp_many", lambda y, products: (y, products.flip(0)))),
        "the first image's tangents stand for all": (
            "jvp",
            prepared(instead("jvp_many", first_tangent_for_all)),
        ),
        "shared tangents are refused": ("jvp", prepared(instead("jvp_many", own_tangents_only))),
        "the reach is further than declared": ("receptive-radius", declared("receptive_radius", 0)),
        "the image is wrapped around": ("receptive-radius", wrapped_around),
        "the reach has no end": ("receptive-radius", far_reach),
    },
    check=Check(shape=(2, 4, 4), context_shape=(1, 4, 4)),
)
