"""A sound bijector, and what can be broken in it."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.stack import Stack
from flowzoo.component import Check
from flowzoo.run import EVALUATION, Run
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    bijection_breaks,
    instead,
)
from tests.toys import Wave


def sound_bijector(_: Trial) -> Stack:
    return Stack([ActNorm(2), Wave()])


def likelihood_without_gradient(stack: Stack) -> Stack:
    def cut(result: tuple[Tensor, Tensor], x: Tensor, context: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        return result if run.training else (result[0].detach(), result[1])

    return after("forward", cut)(stack)


def used_before_initialised(stack: Stack) -> Stack:
    stack.parts[0].first_pass.require = lambda: None
    return stack


def unsaved_flag(stack: Stack) -> Stack:
    """ActNorm re-initialises after a load: the classic."""
    norm = stack.parts[0]

    def forget(x: Tensor, context: Tensor | None = None, run: Run = EVALUATION) -> tuple[Tensor, Tensor]:
        if run.mode == "initialise":
            norm.first_pass = FirstPass("actnorm")
        return ActNorm.forward(norm, x, context, run)

    norm.forward = forget
    return stack


def without_context(method: str) -> Break:
    return instead(
        method, lambda stack, x, context=None, run=EVALUATION: getattr(Stack, method)(stack, x, None, run)
    )


def shared_context(stack: Stack) -> Stack:
    def mixed(stack: Stack, x: Tensor, context: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        return Stack.forward(stack, x, context.flip(0), run)

    return instead("forward", mixed)(stack)


def no_loss_gradient(stack: Stack) -> Stack:
    return after("loss", lambda loss, x, *_: loss.detach() + 0 * x.sum())(stack)


BIJECTOR = Example(
    "bijector",
    sound_bijector,
    {
        **bijection_breaks(),
        "the loss has no gradient": ("gradients", no_loss_gradient),
        "the likelihood has no gradient": ("gradients", likelihood_without_gradient),
        "the loss uses the global generator": (
            "global-random-state",
            after("loss", lambda loss, *_: loss + 0 * torch.rand(1)),
        ),
        "it can be used before it is initialised": ("first-pass", used_before_initialised),
        "it initialises itself again after loading": ("first-pass", unsaved_flag),
        "the context is ignored": ("context", without_context("forward")),
        "the inverse ignores the context": ("round-trip", without_context("inverse")),
        "images see one another's contexts": ("images-apart", shared_context),
        "the output has another shape": ("shapes", after("forward", lambda r, *_: (r[0].mT[:, :1], r[1]))),
        "it raises": ("shapes", instead("forward", lambda *_: [][0])),
        "earlier shares are lost": (
            "shares",
            after("forward_with_shares", lambda r, x, s, *_: (r[0], r[1] - s)),
        ),
        "shares do not sum to log_det": (
            "shares",
            after("forward_with_shares", lambda r, *_: (r[0], r[1] + 1e-3)),
        ),
    },
    check=Check(shape=(2, 2, 2), context_shape=(1, 4, 4)),
)
