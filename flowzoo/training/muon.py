"""Muon: steps of weights along the nearest orthogonal matrix (Jordan et al., 2024), all else by Adam.

The steps are as long as Adam's on average (Liu et al., "Muon is Scalable for LLM Training", 2025), so that
one learning rate serves both. Unlike ``torch.optim.Muon`` it takes convolutions, as matrices with a row for
each output channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, which takes singular values between about 0.001 and 1 to between 0.7 and 1.2."""

LENGTH = 0.2
"""Root mean square of a step, over the learning rate: Adam's is usually between 0.2 and 0.4."""

LEAST_SIDE = 16
"""Smallest number of rows and columns of a matrix for Muon; inputs and outputs are often narrower."""


class Muon(torch.optim.Adam):
    """Muon for matrices, and Adam for all other parameters.

    Args:
        weights: Weights of layers, ``(outputs, ...)``; those with fewer than :data:`LEAST_SIDE` rows or
            columns are left to Adam.
        others: All other parameters.
        lr: Learning rate.
    """

    def __init__(self, weights: Iterable[nn.Parameter], others: Iterable[nn.Parameter], lr: float) -> None:
        matrices, rest = list[nn.Parameter](), list(others)
        for weight in weights:
            (matrices if min(_matrix(weight).shape) >= LEAST_SIDE else rest).append(weight)
        groups = [{"params": matrices, "is_muon": True}, {"params": rest, "is_muon": False}]
        super().__init__([group for group in groups if group["params"]], lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step, as :meth:`torch.optim.Optimizer.step` does."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients: dict[nn.Parameter, Tensor] = {}
        for group in self.param_groups:
            if group["is_muon"]:
                gradients |= {each: each.grad for each in group["params"] if each.grad is not None}
        for weight in gradients:
            weight.grad = None  # Adam leaves alone what has no gradient
        super().step()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight in gradients:
                    weight.grad = gradients[weight]
                    self._step_along(weight, weight.grad, group["lr"])
        return loss

    def _step_along(self, weight: nn.Parameter, gradient: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(gradient)}
        state["step"] += 1.0  # restoring a state, Adam expects it of each parameter
        momentum = state["momentum"].lerp_(gradient, 1.0 - MOMENTUM)
        direction = orthogonalise(_matrix(gradient.lerp(momentum, MOMENTUM)))
        length = LENGTH * math.sqrt(max(direction.shape))
        weight.add_(direction.reshape(weight.shape).to(weight.dtype), alpha=-rate * length)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix whose singular values are all alike, by a Newton-Schulz iteration.

    It is computed in bfloat16, which is accurate enough for it, and of that format.

    Args:
        matrix: ``(R, C)``.
    """
    x = matrix.bfloat16()
    is_tall = len(x) > x.shape[1]
    if is_tall:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x


def _matrix(weight: Tensor) -> Tensor:
    return weight.reshape(len(weight), -1)
