"""Checks of how a component treats the tensors that it is given, and of the modes of its module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flowzoo.testing.draws import BATCH, Draws
from flowzoo.testing.result import require, require_close, require_equal
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9
"""Largest difference for another layout in memory, in float64: the order of sums may differ."""


def takes_any_layout(kind: type[Subject], trial: Trial) -> None:
    """Results do not depend on how a tensor lies in memory: it may be any view of another tensor."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    for name, (as_usual, laid_out) in _LAYOUTS.items():
        subject.hand_over = as_usual
        expected = _everything(subject, x, context)
        subject.hand_over = laid_out
        for what, value in _everything(subject, x, context).items():
            require_close(value, expected[what], _ROUNDING, f"'{what}' for tensors that are {name}")


def leaves_inputs_alone(kind: type[Subject], trial: Trial) -> None:
    """A call changes neither its images, contexts and latents, nor the result of the call before."""
    given: list[tuple[Tensor, Tensor]] = []

    def remember(tensor: Tensor) -> Tensor:
        given.append((tensor, tensor.clone()))
        return tensor

    subject = kind(trial.build(), trial)
    subject.hand_over = remember
    subject.first_pass()
    x, context = subject.images(), subject.context()
    results = _everything(subject, x, context)
    kept = {name: value.clone() for name, value in results.items()}
    _everything(subject, subject.images(seed=7), subject.context(seed=7))
    for tensor, before in given:
        require(torch.equal(tensor, before), "a tensor that it was given has changed after the call")
    require_equal(results, kept, "the results of a call, after another call")


def ignores_module_modes(kind: type[Subject], trial: Trial) -> None:
    """``module.train()`` and ``module.eval()`` change nothing: only the call's mode counts."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    subject.module.eval()
    expected = _everything(subject, x, context)
    subject.module.train()
    found = _everything(subject, x, context)
    require_equal(found, expected, "after module.train(), which must change nothing (only call.mode counts)")


@torch.no_grad()
def _everything(subject: Subject, x: Tensor, context: Tensor | None) -> dict[str, Tensor]:
    """Return all outputs of an evaluation, and the objectives of training."""
    return {**subject.evaluate(x, context, Draws()), **subject.minimise(x, context, Draws(mode="train"))}


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.mT.contiguous().mT


def _batch_innermost(tensor: Tensor) -> Tensor:
    return tensor.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)


def _strided(tensor: Tensor) -> Tensor:
    # The values in between belong to another tensor.
    return torch.stack([tensor, torch.full_like(tensor, torch.nan)], dim=-1).flatten(-2)[..., ::2]


def _repeated(tensor: Tensor) -> Tensor:
    return tensor[:1].repeat(BATCH, 1, 1, 1)


def _expanded(tensor: Tensor) -> Tensor:
    return tensor[:1].expand(BATCH, -1, -1, -1)


_LAYOUTS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "in channels_last": (_as_it_is, _channels_last),
    "transposed": (_as_it_is, _transposed),
    "permuted, the batch innermost": (_as_it_is, _batch_innermost),
    "every second value of others": (_as_it_is, _strided),
    "one image, expanded": (_repeated, _expanded),
}
