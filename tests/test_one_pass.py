"""Without a generator the draws of one pass differ, whichever method is called first, and passes repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.stack import Stack
from flowzoo.builtin.standardise import Standardise
from flowzoo.call import EVALUATION, Call
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.shapes import Images, Shape
from flowzoo.traits import TransformTraits
from flowzoo.transform import ResolutionTransform

SHAPE = (1, 2, 2)
DRAWN: list[Tensor] = []


def draw(x: Images, call: Call) -> None:
    DRAWN.extend([call.normal(x), call.uniform(x), call.normal(x)])


class Drawing(ConditionalBijector):
    """The identity; it draws whenever it is called."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        draw(x, call)
        return x, x.new_zeros(len(x))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        draw(z, call)
        return z

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        draw(x, call)
        return x, contributions


class DrawingTransform(ResolutionTransform):
    """The identity; it draws whenever it is called."""

    traits = TransformTraits(Exactness.BOUND, stochastic=True)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, Tensor]:
        draw(x, call)
        return x, x.new_zeros(len(x))

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        draw(y, call)
        return y

    def output_shape(self, shape: Shape) -> Shape:
        return shape


def level() -> Level:
    return Level(DrawingTransform(), Drawing(), KeepNothing(), Drawing())


def flow() -> Flow:
    return Flow(SHAPE, [level()], Affine())


def stack() -> Stack:
    return Stack([Drawing(), Drawing()])


def standardised() -> Standardise:
    built = Standardise(stack(), SHAPE)
    built(images(), None, Call(mode="initialise", generator=torch.Generator()))
    return built


def images() -> Images:
    return torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(3))


ENTRIES: dict[str, Callable[[Images], Any]] = {
    "flow": lambda x: flow()(x),
    "flow.log_prob": lambda x: flow().log_prob(x),
    "flow.encode": lambda x: flow().encode(x),
    "flow.decode": lambda x: flow().decode([x]),
    "flow.loss": lambda x: flow().loss(x, EVALUATION),
    "flow.level_loss": lambda x: flow().level_loss(0, x, EVALUATION),
    "flow.bits_per_dim": lambda x: flow().bits_per_dim((x * 256).to(torch.uint8)),
    "level": lambda x: level()(x),
    "level.inverse": lambda x: level().inverse(None, x),
    "level.loss": lambda x: level().loss(x),
    "level.take_apart": lambda x: level().take_apart(x),
    "stack": lambda x: stack()(x),
    "stack.inverse": lambda x: stack().inverse(x),
    "stack.loss": lambda x: stack().loss(x),
    "stack.forward_with_contributions": lambda x: stack().forward_with_contributions(x, x),
    "standardise": lambda x: standardised()(x),
    "bijector": lambda x: Drawing()(x),
    "bijector.inverse": lambda x: Drawing().inverse(x),
    "bijector.loss": lambda x: Drawing().loss(x),
    "bijector with a call of its own": lambda x: Drawing()(x, None, Call(mode="train")),
    "transform": lambda x: DrawingTransform()(x),
    "transform.inverse": lambda x: DrawingTransform().inverse(x),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_draws_of_one_pass_differ_and_passes_repeat(entry: str) -> None:
    before = torch.get_rng_state()
    passes = []
    for _ in range(2):
        x = images()
        DRAWN.clear()
        ENTRIES[entry](x)
        passes.append([*DRAWN])
    first, second = passes
    assert len(first) >= 3
    assert all(not torch.equal(one, other) for i, one in enumerate(first) for other in first[:i])
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_that_is_given_stays() -> None:
    generator = torch.Generator().manual_seed(1)
    call = Call(generator=generator)
    DRAWN.clear()
    stack()(images(), None, call)
    assert torch.equal(DRAWN[0], torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1)))
    assert call.seeded() is call
    assert IdentityTransform()(images())[0].shape == IdentityBijector()(images())[0].shape
