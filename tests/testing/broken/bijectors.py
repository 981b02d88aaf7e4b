"""A sound bijector, and what can be broken in it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flowzoo.bijector import Phase, standard_normal_log_prob
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.stack import Stack
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check
from flowzoo.errors import DataError
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    bijection_breaks,
    declared,
    everywhere_breaks,
    flavoured,
    in_its_traits,
    in_part,
    instead,
    under_option,
)
from tests.toys import Wave


def sound_bijector(trial: Trial) -> Stack:
    return Stack([ActNorm(trial.check.shape[0]), Wave()])


def likelihood_without_gradient(stack: Stack) -> Stack:
    def cut(result: tuple[Tensor, Tensor], x: Tensor, context: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        return result if call.training else (result[0].detach(), result[1])

    return after("forward", cut)(stack)


def used_before_initialised(stack: Stack) -> Stack:
    stack.parts[0].first_pass.require = lambda: None
    return stack


def unsaved_flag(stack: Stack) -> Stack:
    """ActNorm re-initialises after a load: the classic."""
    norm = stack.parts[0]

    def forget(x: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        if call.mode == "initialise":
            norm.first_pass = FirstPass("actnorm")
        return ActNorm.forward(norm, x, context, call)

    norm.forward = forget
    return stack


def without_context(method: str) -> Break:
    return instead(
        method, lambda stack, x, context=None, call=EVALUATION: getattr(Stack, method)(stack, x, None, call)
    )


def shared_context(stack: Stack) -> Stack:
    def mixed(stack: Stack, x: Tensor, context: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        return Stack.forward(stack, x, context.flip(0), call)

    return instead("forward", mixed)(stack)


def no_loss_gradient(stack: Stack) -> Stack:
    return after("loss", lambda loss, x, *_: loss.detach() + 0 * x.sum())(stack)


def half_detached(stack: Stack) -> Stack:
    """Detach what the last part adds to ``log_det``, and keep what the parts before add."""
    return in_part(lambda stack: stack.parts[1], after("forward", lambda r, *_: (r[0], r[1].detach())))(stack)


def other_context(change: Callable[[Tensor], Tensor]) -> Break:
    def forward(stack: Stack, x: Tensor, context: Tensor, call: Call) -> tuple[Tensor, Tensor]:
        return Stack.forward(stack, x, change(context), call)

    return instead("forward", forward)


def edge_detached(context: Tensor) -> Tensor:
    return torch.cat([context[..., :1].detach(), context[..., 1:]], dim=-1)


def loss_without_log_det(stack: Stack) -> Stack:
    def loss(stack: Stack, x: Tensor, context: Tensor, call: Call) -> Tensor:
        return -standard_normal_log_prob(stack(x, context, call)[0])

    return instead("loss", loss)(stack)


def with_mean_penalty(stack: Stack) -> Stack:
    def loss(stack: Stack, x: Tensor, context: Tensor, call: Call) -> Tensor:
        call.penalise("toy", x.mean())
        return Stack.loss(stack, x, context, call)

    return instead("loss", loss)(stack)


def biased_estimate(stack: Stack) -> Stack:
    def loss(stack: Stack, x: Tensor, context: Tensor, call: Call) -> Tensor:
        noise = call.uniform(x[:, 0, 0, 0]) if call.training else 0.0
        return Stack.loss(stack, x, context, call) + noise

    return instead("loss", loss)(stack)


def mixing(stack: Stack) -> Stack:
    mean = after("forward", lambda r, x, *_: (r[0] + x.mean((1, 2, 3), keepdim=True), r[1]))
    return in_its_traits(pointwise=True)(mean(stack))


def with_position(stack: Stack) -> Stack:
    ramp = after("forward", lambda r, x, *_: (r[0] + torch.linspace(0, 1, x.shape[3]).to(x), r[1]))
    return in_its_traits(pointwise=True)(ramp(stack))


def in_wave(break_it: Break) -> Break:
    """Return a break of the part that states an autoregressive order."""
    return in_part(lambda stack: stack.parts[1], break_it)


def next_value(x: Tensor) -> Tensor:
    return x.flatten(1).roll(-1, 1).reshape(x.shape)


def in_phases(*phases: Phase) -> Break:
    return declared("phases", phases)


def only_unit(stack: Stack, x: Tensor, context: Tensor, call: Call) -> tuple[Tensor, Tensor]:
    if bool((x < 0).any()):
        raise DataError("values below 0")
    return Stack.forward(stack, x, context, call)


BIJECTOR = Example(
    "bijector",
    flavoured(sound_bijector),
    {
        **bijection_breaks(),
        **everywhere_breaks(),
        "log_det is detached": ("gradient-slopes", after("forward", lambda r, *_: (r[0], r[1].detach()))),
        "part of log_det is detached": ("gradient-slopes", half_detached),
        "z is detached": ("gradient-slopes", after("forward", lambda r, *_: (r[0].detach(), r[1]))),
        "the context gets no gradient": ("gradient-slopes", other_context(lambda context: context.detach())),
        "part of the context gets no gradient": ("gradient-slopes", other_context(edge_detached)),
        "it says that it is pointwise, and is not": ("pointwise", mixing),
        "it says that it is pointwise, and has weights for each pixel": ("pointwise", with_position),
        "its autoregressive order is no permutation": (
            "autoregressive",
            in_wave(instead("autoregressive_order", lambda _, shape: [0] * shape[0] * shape[1] * shape[2])),
        ),
        "an output depends on a later value": (
            "autoregressive",
            in_wave(after("forward", lambda r, x, *_: (r[0] + 1e-3 * next_value(x), r[1]))),
        ),
        "an output depends on its own value in another way": (
            "autoregressive",
            in_wave(after("forward", lambda r, x, *_: (r[0] + 1e-3 * x, r[1]))),
        ),
        "phases do not share the whole training": ("phases", in_phases(Phase("one", 0.5), Phase("two", 0.4))),
        "two phases have one name": ("phases", in_phases(Phase("one", 0.5), Phase("one", 0.5))),
        "a phase has no share": ("phases", in_phases(Phase("one", 1.0), Phase("two", 0.0))),
        "its domain is smaller than it says": ("far-values", instead("forward", only_unit)),
        "the loss is scaled": ("loss", after("loss", lambda loss, *_: loss / 8)),
        "the loss lacks log_det": ("loss", loss_without_log_det),
        "the loss is the likelihood and says that it is not": (
            "loss",
            in_its_traits(loss_is_likelihood=False),
        ),
        "the loss is one number for all images": ("loss", after("loss", lambda loss, *_: loss.mean())),
        "a penalty is one number for all images": ("loss", with_mean_penalty),
        "the loss is off in training": (
            "loss",
            after("loss", lambda loss, x, context, call: loss * (1.01 if call.training else 1.0)),
        ),
        "an estimate of the loss is biased": ("loss", biased_estimate),
        "log_det is wrong for values above 1": (
            "far-values",
            after("forward", lambda r, x, *_: (r[0], r[1] + 1e-3 * (x > 1).flatten(1).sum(1))),
        ),
        "log_det is wrong for negative values": (
            "far-values",
            after("forward", lambda r, x, *_: (r[0], r[1] + 1e-3 * (x < 0).flatten(1).sum(1))),
        ),
        "log_det takes images to be square": (
            "other-shapes",
            after("forward", lambda r, x, *_: (r[0], r[1] + 1e-3 * (x.shape[2] - x.shape[3]))),
        ),
        "log_det is wrong under another option": (
            "other-options",
            under_option(after("forward", lambda r, *_: (r[0], 1.01 * r[1]))),
        ),
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
        "earlier contributions are lost": (
            "contributions",
            after("forward_with_contributions", lambda r, x, s, *_: (r[0], r[1] - s)),
        ),
        "contributions do not sum to log_det": (
            "contributions",
            after("forward_with_contributions", lambda r, *_: (r[0], r[1] + 1e-3)),
        ),
    },
    check=Check(shape=(2, 2, 2), context_shape=(1, 4, 4)),
)
