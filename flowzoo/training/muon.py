"""Muon: steps of weights along the nearest orthogonal matrix (Jordan et al., 2024), all else by Adam.

The steps are as long as Adam's on average (Liu et al., "Muon is Scalable for LLM Training", 2025), so that
one learning rate serves both. Unlike ``torch.optim.Muon`` it takes convolutions, as matrices with a row for
each output channel, and matrices of one shape together, which costs a third of the time on a CPU.
"""

from __future__ import annotations

import math
from collections import defaultdict
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
        gradients = {
            weight: weight.grad
            for group in self.param_groups
            for weight in group["params"]
            if group["is_muon"] and weight.grad is not None
        }
        for weight in gradients:
            weight.grad = None  # Adam leaves alone what has no gradient
        super().step()
        by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for weight, gradient in gradients.items():
            weight.grad = gradient
            by_shape[_matrix(weight).shape].append(weight)
        for alike in by_shape.values():
            self._step_along(alike)
        return loss

    def _step_along(self, weights: list[nn.Parameter]) -> None:
        """Take a step with weights whose matrices have one shape."""
        directions = orthogonalise(torch.stack([_matrix(self._averaged(each)) for each in weights]))
        length = self.param_groups[0]["lr"] * LENGTH * math.sqrt(max(directions.shape[1:]))
        for weight, direction in zip(weights, directions, strict=True):
            weight.add_(direction.reshape(weight.shape), alpha=-length)

    def _averaged(self, weight: nn.Parameter) -> Tensor:
        """Return the gradient with its momentum, after Nesterov."""
        gradient, state = weight.grad, self.state[weight]
        assert gradient is not None
        if not state:
            state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(gradient)}
        state["step"] += 1.0  # restoring a state, Adam expects it of each parameter
        momentum: Tensor = state["momentum"].lerp_(gradient, 1.0 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return about the nearest matrices whose singular values are all alike, by a Newton-Schulz iteration.

    It is computed in bfloat16, which is accurate enough for it, and of that format.

    Args:
        matrices: ``(N, R, C)``.
    """
    x = matrices.bfloat16()
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


def _matrix(weight: Tensor) -> Tensor:
    return weight.reshape(len(weight), -1)
