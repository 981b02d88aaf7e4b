"""Checks of bijectors that state an autoregressive order."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.origin import name_of
from flowzoo.shapes import Images, as_shape
from flowzoo.testing.bijectors import Bijector
from flowzoo.testing.brute_force import brute_force_jacobian
from flowzoo.testing.draws import Draws
from flowzoo.testing.result import require, require_close
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9
"""Largest derivative of an output by a later value."""


class _Call(NamedTuple):
    """A part of the component, and the images and contexts that reach it."""

    part: ConditionalBijector
    x: Images
    context: Images | None


def is_triangular(kind: type[Bijector], trial: Trial) -> None:
    """The Jacobian of a part with an autoregressive order is triangular, and its diagonal gives ``log_det``.

    Every part is checked by itself, with the values and the context that reach it.
    """
    for part, x, context in _calls(kind.ready(trial)):
        order = part.autoregressive_order(as_shape(x.shape[1:]))
        if order is None:
            continue
        name = f"{name_of(part)} ({type(part).__name__})"
        count = x[0].numel()
        require(
            sorted(order) == list(range(count)),
            f"the autoregressive order of {name} is no permutation of the {count} places of its values: "
            f"{list(order)!s:.60}",
        )
        x = x.detach().requires_grad_()
        y, log_det = part(x, context, Draws(exact=True).call())
        jacobian = brute_force_jacobian(y, x)[:, order][:, :, order]
        later = jacobian.triu(1).abs().amax(0)
        output, value = divmod(int(later.argmax()), count)
        require(
            float(later.max()) <= _ROUNDING,
            f"in the autoregressive order of {name}, output {output} depends on the later value {value}: "
            f"the derivative is {float(later.max()):.3g}",
        )
        diagonal = jacobian.diagonal(dim1=1, dim2=2).abs().log().sum(1)
        require_close(log_det, diagonal, trial.check.tolerance, f"log_det of {name}, against its diagonal")


@torch.no_grad()
def _calls(subject: Bijector) -> list[_Call]:
    """Return all calls of bijectors in one forward pass of the component."""
    found: list[_Call] = []

    def note(part: nn.Module, arguments: Sequence[Any]) -> None:
        assert isinstance(part, ConditionalBijector)
        x, context, *_ = (*arguments, None)
        found.append(_Call(part, x, context))

    with ExitStack() as hooks:
        for part in subject.module.modules():
            if isinstance(part, ConditionalBijector):
                hooks.enter_context(part.register_forward_pre_hook(note))
        subject.forward(subject.images(), subject.context(), Draws())
    return found
