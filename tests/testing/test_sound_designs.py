"""The kit refuses nothing that is right, however unusual."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check, Component, Kind
from flowzoo.exactness import Exactness
from flowzoo.network import Network
from flowzoo.shapes import Shape
from flowzoo.split import SplitPolicy
from flowzoo.testing import Trial, checks_for, run_check
from flowzoo.traits import BijectorTraits
from flowzoo.transform import ResolutionTransform
from tests.toys import OtherLoss

TABLE = torch.arange(8)
"""A constant of integers that all instances share."""


def rotation(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    found: Tensor = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
    return found


class Rotated(ConditionalBijector):
    """A frozen rotation, whose ``log_det`` is 0 only as long as nobody changes it, and a trained scale.

    The rotation does not lie in rows; the scale is one module under two names.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        size = torch.Size(shape).numel()
        self.turn = nn.Parameter(rotation(size).T, requires_grad=False)
        self.first = nn.ParameterDict({"log_scale": nn.Parameter(torch.zeros(size))})
        self.again = self.first
        self.register_buffer("places", TABLE[:1])

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        log_scale = self.first["log_scale"]
        z = (x.flatten(1) @ self.turn.to(x)) * log_scale.exp() + self.again["log_scale"]
        return z.reshape(x.shape), log_scale.sum().expand(len(x))

    @torch.no_grad()
    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        log_scale = self.first["log_scale"]
        return (((z.flatten(1) - log_scale) * (-log_scale).exp()) @ self.turn.T.to(z)).reshape(z.shape)


class Cubic(torch.autograd.Function):
    """``x + x^3 / 3``, with a derivative by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x + x**3 / 3

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (1 + x**2)


class ByHand(ConditionalBijector):
    """A derivative by hand, an inverse by Newton's method, and grids that are made at the first use.

    Its buffers are a constant that is not saved, and statistics of the first pass in double precision.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.1))
        self.register_buffer("ramp", torch.linspace(0, 1, shape[2]), persistent=False)
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.first_pass = FirstPass("a toy")
        self._grids: dict[tuple[int, ...], Tensor] = {}

    def _grid(self, x: Tensor) -> Tensor:
        key = (*x.shape[2:], x.dtype, x.device)
        if key not in self._grids:
            self._grids[key] = torch.ones(x.shape[2:], dtype=x.dtype, device=x.device)
        return self._grids[key] * self.ramp

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        if call.mode == "initialise" and not self.first_pass.done:
            self.mean.copy_(x.mean())
            self.first_pass.finish()
        self.first_pass.require()
        moved = x - self.mean + self.shift * self._grid(x)
        return Cubic.apply(moved), torch.log1p(moved**2).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        self.first_pass.require()
        x = z.sign() * (3 * z.abs()) ** (1 / 3)
        for _ in range(60):
            x = x - (x + x**3 / 3 - z) / (1 + x**2)
        return x + self.mean - self.shift * self._grid(z)


class Moves(ConditionalBijector):
    """Keeps an index that is no buffer where the module goes, and has no parameter."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.order = torch.arange(shape[0]).flip(0)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        super()._apply(fn, recurse)
        self.order = fn(self.order)
        return self

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return z[:, self.order]


class InPhases(ConditionalBijector):
    """Trains its scale, and then, with the scale frozen, its shift."""

    phases = (Phase("scale", 0.5), Phase("shift", 0.5))

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        log_scale = self.log_scale.detach() if call.solver.phase == "shift" else self.log_scale
        shift = self.shift.detach() if call.solver.phase == "scale" else self.shift
        return x * log_scale.exp() + shift, log_scale.sum().repeat(len(x))

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return (z - self.shift) * (-self.log_scale).exp()


class OpponentHaar(ResolutionTransform):
    """Mixes the colours by a rotation before the blocks: no band is made of one colour."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("turn", rotation(shape[0]))
        signs = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
        self.register_buffer("signs", signs / 2)

    def forward(self, x: Tensor, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        mixed = torch.einsum("dc,bchw->bdhw", self.turn.to(x), x)
        blocks = torch.stack([mixed[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
        return torch.einsum("kl,blchw->bkchw", self.signs, blocks).flatten(1, 2), x.new_zeros(len(x))

    def inverse(self, y: Tensor, call: Call = EVALUATION) -> Tensor:
        blocks = torch.einsum("kl,bkchw->blchw", self.signs, y.unflatten(1, (4, -1)))
        rows = [torch.stack([blocks[:, 2 * i], blocks[:, 2 * i + 1]], dim=-1).flatten(-2) for i in (0, 1)]
        mixed = torch.stack(rows, dim=-2).flatten(-3, -2)
        return torch.einsum("dc,bdhw->bchw", self.turn.to(y), mixed)

    def output_shape(self, shape: Shape) -> Shape:
        return 4 * shape[0], shape[1] // 2, shape[2] // 2


class KeepRows(SplitPolicy):
    """Keeps every second row, as views."""

    def split(self, y: Tensor, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        return y[..., ::2, :], y[..., 1::2, :]

    def merge(self, kept: Tensor | None, factored: Tensor, call: Call = EVALUATION) -> Tensor:
        assert kept is not None
        return torch.stack([kept, factored], dim=-2).flatten(-3, -2)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        half = (shape[0], shape[1] // 2, shape[2])
        return half, half


class Parametrised(Network):
    """Layers with torch's own weight normalisation, which torch does not pickle, and attention."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        channels, context = trial.check.shape[0], trial.check.context_shape
        given = channels + (0 if context is None else context[0]) + trial.timed
        self.inward = weight_norm(nn.Conv2d(given, 4, 1))
        self.norm = nn.GroupNorm(2, 4)
        self.outward = weight_norm(nn.Conv2d(4, channels + 1, 1))

    def forward(
        self, x: Tensor, context: Tensor | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Tensor:
        planes = [x]
        if context is not None:
            planes.append(nn.functional.interpolate(context, size=x.shape[2:]))
        if time is not None:
            planes.append(time.reshape(-1, 1, 1, 1).expand(len(x), 1, *x.shape[2:]))
        hidden = self.norm(self.inward(torch.cat(planes, 1)))
        pixels = hidden.flatten(2)
        weights = torch.softmax(pixels.mT @ pixels / 2, dim=-1)
        return self.outward((pixels @ weights).reshape(hidden.shape))


class Estimating(ConditionalBijector):
    """Estimates its constant log-determinant, unless the exact value is requested."""

    traits = BijectorTraits(exactness=Exactness.UNBIASED, exact_on_request=True)

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        log_det = (self.log_scale * x[0].numel()).repeat(len(x))
        noise = 0.0 if call.solver.exact else 0.01 * call.normal(log_det)
        return x * self.log_scale.exp(), log_det + noise

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return z * (-self.log_scale).exp()


def local_class(trial: Trial) -> ConditionalBijector:
    """A class of the builder's own, so that the plugin's module imports no torch."""
    channels = trial.check.shape[0]

    class Doubled(ConditionalBijector):
        def __init__(self) -> None:
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

        def forward(
            self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
        ) -> tuple[Tensor, Tensor]:
            log_det = self.log_scale.expand(x.shape[1:]).sum()
            return x * self.log_scale.exp(), log_det.expand(len(x))

        def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
            return z * (-self.log_scale).exp()

    return Doubled()


DESIGNS: dict[str, tuple[Kind, Callable[[Trial], Any], Check]] = {
    "rotated": ("bijector", lambda trial: Rotated(trial.check.shape), Check(shape=(2, 2, 2))),
    "by-hand": ("bijector", lambda trial: ByHand(trial.check.shape), Check(shape=(1, 2, 2))),
    "moves": ("bijector", lambda trial: Moves(trial.check.shape), Check(shape=(2, 2, 2))),
    "in-phases": ("bijector", lambda trial: InPhases(trial.check.shape), Check(shape=(2, 2, 2))),
    "local-class": ("bijector", local_class, Check(shape=(2, 2, 2))),
    "estimating": ("bijector", lambda _: Estimating(), Check(shape=(2, 2, 2))),
    "another-loss": ("bijector", lambda _: OtherLoss(), Check(shape=(2, 2, 2))),
    "opponent-colours": ("transform", lambda trial: OpponentHaar(trial.check.shape), Check(shape=(2, 4, 4))),
    "rows": ("split", lambda _: KeepRows(), Check(shape=(2, 2, 2))),
    "parametrised": ("network", Parametrised, Check(shape=(2, 2, 2), context_shape=(1, 2, 2))),
}


@functools.cache
def trial(design: str) -> Trial:
    kind, make, check = DESIGNS[design]
    component = Component(
        kind=kind, name="toy", build="tests.testing.broken.example:build_flavoured", summary="", check=check
    )
    return Trial(component, make)


@pytest.mark.parametrize(
    ("design", "check"),
    [
        pytest.param(design, check, id=f"{design}-{check}")
        for design, (kind, _, _) in DESIGNS.items()
        for check in checks_for(kind)
    ],
)
def test_passes(design: str, check: str) -> None:
    result = run_check(trial(design), check)

    assert result.passed, result.detail


def test_frozen_parameters_stay_as_they_are() -> None:
    built = trial("rotated").build()
    before = built.turn.detach().clone()

    assert run_check(trial("rotated"), "log-det").passed
    torch.testing.assert_close(before @ before.T, torch.eye(8, dtype=before.dtype))
