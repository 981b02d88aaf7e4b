"""An affine flow over patches, each scaled and shifted by functions of those before it."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Call,
    ConditionalBijector,
    Images,
    PerImage,
    Shape,
    log_det_dtype,
)
from flowzoo_coupling.causal_transformer import CausalTransformer, Hidden
from flowzoo_coupling.inputs import resized
from flowzoo_coupling.patches import Order, Patches, PatchGrid

Inverse = Literal["sequential", "jacobi"]

ROUNDING = 8
"""A change of so many units in the last place counts as none."""


@final
class AutoregressiveBlock(ConditionalBijector):
    """Scales and shifts every patch by functions of the context and of the patches before it in an order.

        z_i = (x_i - mean_i) exp(-log_std_i),   (mean_i, raw_i) = transformer(x_1 ... x_(i-1) | c)
        log_std = s_max tanh(raw / s_max),   log_det = -sum of log_std

    The forward direction is one pass. The inverse goes patch by patch, or repeats
    ``x <- z exp(log_std(x)) + mean(x)`` over all patches at once. After ``n`` repetitions the first ``n``
    patches are right, and the others are often right to rounding long before.

    Args:
        grid: The patches.
        order: Name of their order.
        transformer: Gives ``mean`` and ``raw``.
        context_channels: Number of channels of the context; None without one.
        scale_limit: ``s_max``, the largest ``|log_std|``.
        inverse: How it is inverted.
        tolerance: Relative change at which the repetitions for an image end; changes of about rounding end
            them in any case.

    References:
        Zhai et al., Normalizing Flows are Capable Generative Models, 2024, sections 2.2 and 3.1; Song et al.,
        Accelerating Feedforward Computation via Parallel Nonlinear Equation Solving, 2021 (Jacobi iteration).
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(
        self,
        grid: PatchGrid,
        order: Order,
        transformer: CausalTransformer,
        context_channels: int | None,
        scale_limit: float,
        inverse: Inverse = "sequential",
        tolerance: float = 0.0,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.order = order
        self.transformer = transformer
        self.scale_limit = scale_limit
        self.way = inverse
        self.tolerance = tolerance
        self.context: nn.Conv2d | None = None
        if context_channels is not None:
            width = transformer.positions.shape[1]
            self.context = nn.Conv2d(context_channels * grid.side**2, width, kernel_size=3, padding=1)

    def extra_repr(self) -> str:
        return f"order={self.order}, patches={self.grid.rows}x{self.grid.columns}, side={self.grid.side}"

    def autoregressive_order(self, shape: Shape) -> list[int]:
        numbers = torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(1, *shape)
        return [int(number) for number in self._patches(numbers).flatten()]

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        z, log_std = self._normalise(x, context)
        return self._image(z).to(x.dtype), -log_std.flatten(1).sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        z, log_std = self._normalise(x, context)
        return self._image(z).to(x.dtype), contributions - self._image(log_std)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        patches, given = self._patches(z), self._given(z, context)
        solve = self._one_by_one if self.way == "sequential" else self._all_at_once
        return self._image(solve(patches, given)).to(z.dtype)

    def _normalise(self, x: Images, context: Images | None) -> tuple[Patches, Patches]:
        patches = self._patches(x)
        mean, log_std = self._moments(self.transformer(patches, self._given(x, context)))
        return (patches - mean) * torch.exp(-log_std), log_std

    def _one_by_one(self, z: Patches, given: Hidden | None) -> Patches:
        memories = self.transformer.memories()
        found = [torch.zeros_like(z[:, :1])]
        for place in range(self.grid.patches):
            mean, log_std = self._moments(self.transformer.step(place, found[-1], given, memories))
            found.append((z[:, place : place + 1] * torch.exp(log_std) + mean).to(z.dtype))
        return torch.cat(found[1:], dim=1)

    def _all_at_once(self, z: Patches, given: Hidden | None) -> Patches:
        x = z
        tolerance = max(self.tolerance, ROUNDING * torch.finfo(z.dtype).eps)
        moving = torch.ones_like(z[:, :1, :1], dtype=torch.bool)
        for _ in range(self.grid.patches):
            mean, log_std = self._moments(self.transformer(x, given))
            new = (z * torch.exp(log_std) + mean).to(z.dtype)
            change = (new - x).abs() / (1.0 + new.abs())
            # An image that has come to rest stays as it is, whatever the others of its batch need.
            x = torch.where(moving, new, x)
            moving = moving & (change.amax((1, 2), keepdim=True) > tolerance)
            if not bool(moving.any()):
                break
        return x

    def _moments(self, outputs: Patches) -> tuple[Patches, Patches]:
        """Return ``mean`` and ``log_std``, never below float32."""
        mean, raw = outputs.to(log_det_dtype(outputs)).chunk(2, dim=2)
        return mean, self.scale_limit * torch.tanh(raw / self.scale_limit)

    def _patches(self, x: Images) -> Patches:
        return self.grid.cut(x)[:, self._places(x)]

    def _image(self, patches: Patches) -> Images:
        return self.grid.paste(patches[:, self._places(patches).argsort()])

    def _places(self, like: Tensor) -> Tensor:
        return self.grid.places(self.order).to(like.device)

    def _given(self, x: Images, context: Images | None) -> Hidden | None:
        """Return what the context says at each place. Neighbours of a place may be anywhere in the order."""
        if self.context is None:
            return None
        assert context is not None, "a bijector that was built for a context is given one"
        view = nn.functional.pixel_unshuffle(resized(context, x.shape[-2:]).to(x.dtype), self.grid.side)
        given: Hidden = self.context(view).flatten(2).mT[:, self._places(x)]
        return given
