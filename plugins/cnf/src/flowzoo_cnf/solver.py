"""Solving an ODE with torchdiffeq, so that the answer is right at the end point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torchdiffeq import odeint

from flowzoo.api import NumericalError

Adaptive = Literal["dopri5", "dopri8", "bosh3", "adaptive_heun", "fehlberg2"]
FixedStep = Literal["euler", "midpoint", "heun3", "rk4"]
Method = Literal[Adaptive, FixedStep]

State = tuple[Tensor, ...]
"""Each ``(B, ...)``."""

MAX_STEPS = 5000


@dataclass(frozen=True)
class Solver:
    """A method with its tolerance or its number of steps.

    Attributes:
        method: One of torchdiffeq's.
        tolerance: Relative and absolute tolerance of an adaptive method.
        steps: Number of equal steps of a fixed-step method.
    """

    method: Method
    tolerance: float = 1e-5
    steps: int = 8

    @property
    def adaptive(self) -> bool:
        return self.method in get_args(Adaptive)

    def __str__(self) -> str:
        if self.adaptive:
            return f"{self.method}, tolerance {self.tolerance:g}"
        return f"{self.method}, {self.steps} steps"

    def solve(
        self,
        rates: Callable[[Tensor, State], State],
        state: State,
        start: float,
        end: float,
        norm: Callable[[State], Tensor],
    ) -> State:
        """Integrate ``d state / dt = rates(t, state)``.

        Args:
            rates: From time ``()`` and state to the state's derivative.
            state: At ``start``.
            start: Time to begin at.
            end: Time to end at; before ``start`` to integrate backwards.
            norm: From the errors of a step, scaled by the tolerance, to one number; a step is taken while
                it is below 1. Adaptive methods only.

        Returns:
            The state at ``end``.

        Raises:
            NumericalError: The solver did not get to the end.
        """
        times = torch.tensor([start, end], dtype=state[0].dtype, device=state[0].device)
        options: dict[str, object] = {"norm": norm}
        if self.adaptive:
            # Without a step that ends exactly at the end, torchdiffeq steps past it and interpolates, for
            # bosh3 and fehlberg2 with a polynomial that is not theirs.
            options |= {"step_t": times[1:], "max_num_steps": MAX_STEPS}
        else:
            # An explicit grid, since rounding in torchdiffeq's own can add a step.
            options["grid_constructor"] = lambda func, y0, t: torch.linspace(
                float(t[0]), float(t[-1]), self.steps + 1, dtype=t.dtype, device=t.device
            )
        try:
            path = odeint(
                rates,
                state,
                times,
                rtol=self.tolerance,
                atol=self.tolerance,
                method=self.method,
                options=options,
            )
        except AssertionError as error:
            raise NumericalError(
                f"{self} did not get from t={start:g} to t={end:g} ({error}); "
                "train with a lower learning rate, or loosen the tolerance"
            ) from error
        return tuple(each[-1] for each in path)


def batch_norm_of_error(errors: State) -> Tensor:
    """Root mean square over the batch, of the state and the log-density whichever is larger: for training."""
    v, log_det = errors[0], errors[1]
    return torch.maximum(v.square().mean().sqrt(), log_det.square().mean().sqrt())


def worst_image_norm(errors: State) -> Tensor:
    """The largest error of any image: an image is solved to the tolerance whatever batch it stands in.

    Of the state and, where it is integrated, the log-density; what else is, makes no difference to the steps.
    """
    per_image = [each.reshape(each.shape[0], -1).square().mean(1).sqrt() for each in errors[:2]]
    return torch.stack(per_image).max()
