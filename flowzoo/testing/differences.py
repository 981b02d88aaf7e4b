"""Gradients against finite differences, in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.testing.draws import Draws, draw_noise
from flowzoo.testing.result import CheckFailed
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_STEPS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-4)
"""Steps of the differences. One that fits is enough, since a step may cross a kink that a shorter one does
not."""

_DIGITS = 1e-15
"""Rounding of a value in float64, which is divided by the step."""

_ROUNDING = 1e-6
"""Relative accuracy of central differences in float64."""


def has_right_gradients(kind: type[Subject], trial: Trial) -> None:
    """The gradient of every objective agrees with finite differences, for input, context and parameters.

    Slopes are central differences in training mode, along random directions, with the same draws. In a phase
    of the training a parameter that gets no gradient counts as frozen, and only parameters are looked at,
    since what comes before the component may be frozen as well.
    """
    subject = kind.ready(trial)
    for phase in ("", *subject.phases):
        draws = Draws(mode="train", phase=phase)
        for objective in subject.objectives(subject.images(), subject.context(), draws):
            _Slopes(subject, objective, draws).hold()


@dataclass
class _Slopes:
    """One objective of a component in one phase of the training."""

    subject: Subject
    objective: str
    draws: Draws

    def hold(self) -> None:
        """Compare the gradients of each group of tensors with the slope along one common direction."""
        x, context = self.subject.images(), self.subject.context()
        given = {"the input": x.requires_grad_()} if x.is_floating_point() else {}
        if context is not None:
            given["the context"] = context.requires_grad_()
        parameters: dict[str, Tensor] = {
            name: each for name, each in self.subject.module.named_parameters() if each.requires_grad
        }

        def compute() -> Tensor:
            return self.subject.objectives(x, context, self.draws)[self.objective]

        inputs = {**given, **parameters}
        if not inputs:
            return
        found = torch.autograd.grad(compute(), list(inputs.values()), materialize_grads=True)
        gradients = dict(zip(inputs, found, strict=True))
        if self.draws.phase:
            given, parameters = {}, {n: each for n, each in parameters.items() if bool(gradients[n].any())}
        groups: list[dict[str, Tensor]] = [*({name: each} for name, each in given.items()), parameters]
        for group in groups:
            problem = self._problem(compute, group, gradients)
            if problem:
                alone: list[dict[str, Tensor]] = [{name: each} for name, each in group.items()]
                culprits = (
                    name for each in alone if self._problem(compute, each, gradients) for name in each
                )
                culprit = next(culprits, "all parameters together")
                when = f" in phase '{self.draws.phase}'" if self.draws.phase else ""
                raise CheckFailed(
                    f"the gradient of {self.objective}{when} with respect to {culprit} {problem}"
                )

    def _problem(
        self, compute: Callable[[], Tensor], group: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
    ) -> str:
        """Return what is wrong with the gradients of these tensors; empty if they agree with the slope."""
        directions = {
            name: draw_noise(each.detach(), seed=place) for place, (name, each) in enumerate(group.items())
        }
        expected = sum(float((gradients[name] * each).sum()) for name, each in directions.items())
        allowed = max(_ROUNDING, self.subject.check.tolerance)
        slope = 0.0
        for step in _STEPS:
            after, before = _values(compute, group, directions, step)
            slope = (after - before) / (2.0 * step)
            rounding = _DIGITS * max(abs(after), abs(before)) / step
            if abs(slope - expected) <= allowed * (1.0 + abs(expected)) + rounding:
                return ""
        return f"gives a slope of {expected:.6g}, but finite differences give {slope:.6g}"


@torch.no_grad()
def _values(
    compute: Callable[[], Tensor], group: Mapping[str, Tensor], directions: Mapping[str, Tensor], step: float
) -> tuple[float, float]:
    """Return the values one step forward and one step back along a direction. The tensors are restored."""
    before = {name: each.clone() for name, each in group.items()}
    values = []
    for sign in (1.0, -1.0):
        for name, each in group.items():
            each.copy_(before[name] + sign * step * directions[name])
        with torch.enable_grad():
            values.append(float(compute().detach()))
    for name, each in group.items():
        each.copy_(before[name])
    return values[0], values[1]
