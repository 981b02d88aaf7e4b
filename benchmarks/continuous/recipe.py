"""The published recipe for continuous flows (FFJORD-RNODE), written from torchdiffeq's public interface.

What flowzoo is measured against, so nothing here calls the code of the ``cnf`` plugin: only weights are taken
from its fields.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchdiffeq import odeint_adjoint

from flowzoo.call import Call
from flowzoo_cnf.conv_field import ConvField, TimedConv

LOG_2 = math.log(2.0)

JUDGE_TOLERANCE = 1e-9

Product = Literal["e^T J", "J e"]
"""What estimates the Jacobian's norm: the papers' vector-Jacobian product, or what forward mode gives.

Both have the same trace ``e^T J e``, and norms of the same expectation.
"""


class Evaluations(NamedTuple):
    """How often fields were evaluated by the last call, all blocks together."""

    forward: int
    backward: int


class Terms(NamedTuple):
    """What the loss is made of, with the latents; ``(B, C, H, W)`` and three times ``(B,)``, nats."""

    z: Tensor
    log_prob: Tensor
    kinetic: Tensor
    jacobian: Tensor

    @property
    def loss(self) -> Tensor:
        return self.kinetic + self.jacobian - self.log_prob


class Recipe(nn.Module):
    """A stack of neural ODEs with an adaptive solver and the adjoint.

    Args:
        blocks: Fields whose weights are copied.
        method: One of torchdiffeq's.
        tolerance: Relative and absolute, in training.
        weight: Weight of both regularisers against bits per dimension.
        product: The papers' or, for the judge of a loss defined by the other, the other.

    References:
        Grathwohl et al., "FFJORD", 2019; Finlay et al., "How to Train Your Neural ODE", 2020.
    """

    def __init__(
        self,
        blocks: Iterable[ConvField],
        method: str = "bosh3",
        tolerance: float = 1e-3,
        weight: float = 0.01,
        product: Product = "e^T J",
    ) -> None:
        super().__init__()
        self.fields = nn.ModuleList(ConcatField(block) for block in blocks)
        self.method = method
        self.tolerance = tolerance
        self.weight = weight
        self.product = product
        self._solves: list[tuple[Dynamics, int]] = []

    @property
    def evaluations(self) -> Evaluations:
        """Evaluations in the last call and, if it was differentiated, in its adjoint."""
        forward = sum(then for _, then in self._solves)
        return Evaluations(forward, sum(dynamics.calls for dynamics, _ in self._solves) - forward)

    def copy_weights(self, blocks: Iterable[ConvField]) -> None:
        """Take the weights of other fields."""
        for field, block in zip(self.fields, blocks, strict=True):
            field.copy_weights(block)

    def give_weights(self, blocks: Iterable[ConvField]) -> None:
        """Copy the weights to other fields."""
        for field, block in zip(self.fields, blocks, strict=True):
            field.give_weights(block)

    def loss(self, x: Tensor, context: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return what training minimises, ``(B,)``, nats."""
        return self.terms(x, context, draw_probes(x, len(self.fields), generator)).loss

    def terms(self, x: Tensor, context: Tensor | None, probes: Sequence[Tensor]) -> Terms:
        """Return the loss's parts, which can be differentiated; one probe for each block."""
        self._solves = []
        zeros = x.new_zeros(x.shape[0])
        state = (x, zeros, zeros, zeros)
        for field, probe in zip(self.fields, probes, strict=True):
            state = self._solve(
                Dynamics(field, context, probe, self.product), state, 0.0, 1.0, self.tolerance
            )
        z, log_det, kinetic, jacobian = state
        unit = self.weight * x[0].numel() * LOG_2
        return Terms(z, standard_normal(z) + log_det, unit * kinetic, unit * jacobian)

    @torch.no_grad()
    def latents(
        self, x: Tensor, context: Tensor | None, probes: Sequence[Tensor], tolerance: float = 1e-5
    ) -> tuple[Tensor, Tensor]:
        """Return ``z`` and the log-density, ``(B,)``, nats; in evaluation nothing is regularised."""
        self._solves = []
        state = (x, x.new_zeros(x.shape[0]))
        for field, probe in zip(self.fields, probes, strict=True):
            state = self._solve(Dynamics(field, context, probe, self.product), state, 0.0, 1.0, tolerance)
        return state[0], standard_normal(state[0]) + state[1]

    def log_prob(
        self, x: Tensor, context: Tensor | None, probes: Sequence[Tensor], tolerance: float = 1e-5
    ) -> Tensor:
        """Return the log-density, ``(B,)``, nats."""
        return self.latents(x, context, probes, tolerance)[1]

    @torch.no_grad()
    def sample(
        self,
        z: Tensor,
        context: Tensor | None,
        probes: Sequence[Tensor] | None = None,
        tolerance: float = 1e-5,
    ) -> Tensor:
        """Map noise to data.

        With probes the divergence is carried along and dropped, as FFJORD's published code does; without
        them the fields are solved alone.
        """
        self._solves = []
        for place, field in reversed([*enumerate(self.fields)]):
            if probes is None:
                (z,) = self._solve(Dynamics(field, context), (z,), 1.0, 0.0, tolerance)
            else:
                state = (z, z.new_zeros(len(z)))
                z, _ = self._solve(Dynamics(field, context, probes[place]), state, 1.0, 0.0, tolerance)
        return z

    def _solve(
        self, dynamics: Dynamics, state: tuple[Tensor, ...], start: float, end: float, tolerance: float
    ) -> tuple[Tensor, ...]:
        path = solve(dynamics, state, start, end, self.method, tolerance)
        self._solves.append((dynamics, dynamics.calls))
        return path


def judge(blocks: Iterable[ConvField], product: Product = "e^T J") -> Recipe:
    """Return a solve so tight that others' errors can be measured against it: float64, dopri8 at 1e-9."""
    doubles = [copy.deepcopy(block).double() for block in blocks]
    return Recipe(doubles, "dopri8", JUDGE_TOLERANCE, product=product)


def solve(
    dynamics: nn.Module, state: tuple[Tensor, ...], start: float, end: float, method: str, tolerance: float
) -> tuple[Tensor, ...]:
    """Solve with torchdiffeq's adjoint, its default norms, and steps that end where the time does.

    Without ``step_t`` torchdiffeq's bosh3 oversteps the end and interpolates with a wrong polynomial.
    """
    times = torch.tensor([start, end], dtype=state[0].dtype, device=state[0].device)
    path = odeint_adjoint(
        dynamics,
        state,
        times,
        rtol=tolerance,
        atol=tolerance,
        method=method,
        options={"step_t": times[1:]},
        adjoint_options={"step_t": times[:1]},
    )
    return tuple(each[-1] for each in path)


class Dynamics(nn.Module):
    """The right-hand side: the field and, with a probe, its divergence and as many regularisers as asked for.

    ``d(v, log_det, kinetic, jacobian)/dt = (f, e^T J e, mean f^2 / 2, mean (e^T J)^2)``
    """

    def __init__(
        self,
        field: ConcatField,
        context: Tensor | None,
        probe: Tensor | None = None,
        product: Product = "e^T J",
    ) -> None:
        super().__init__()
        self.field = field
        self.context = context
        self.probe = probe
        self.product = product
        self.calls = 0

    def forward(self, t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.calls += 1
        # The solver calls without gradients, the adjoint with a state that it differentiates by.
        v = state[0] if torch.is_grad_enabled() else state[0].detach().requires_grad_()
        if self.probe is None:
            return (self.field(t, v, self.context),)
        with torch.enable_grad():
            f = self.field(t, v, self.context)
            if self.product == "e^T J":
                (product,) = torch.autograd.grad(f, v, self.probe, create_graph=True)
            else:  # u^T J is linear in u, with J as the transpose of its Jacobian
                u = torch.zeros_like(f, requires_grad=True)
                (pulled,) = torch.autograd.grad(f, v, u, create_graph=True)
                (product,) = torch.autograd.grad(pulled, u, self.probe, create_graph=True)
            log_det = (product * self.probe).flatten(1).sum(1)
            kinetic = 0.5 * f.square().flatten(1).mean(1)
            jacobian = product.square().flatten(1).mean(1)
        return (f, log_det, kinetic, jacobian)[: len(state)]


class ConcatField(nn.Module):
    """A :class:`flowzoo_cnf.conv_field.ConvField` as papers write it, the time a channel of every input."""

    def __init__(self, field: ConvField) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(layer.conv.in_channels + 1, layer.conv.out_channels, 3, padding=1)
            for layer in timed_convs(field)
        )
        self.to(next(field.parameters()))
        self.copy_weights(field)

    @torch.no_grad()
    def copy_weights(self, field: ConvField) -> None:
        for conv, layer in zip(self.convs, timed_convs(field), strict=True):
            conv.weight.copy_(torch.cat([layer.conv.weight, layer.time_weight], dim=1))
            conv.bias.copy_(layer.conv.bias)

    @torch.no_grad()
    def give_weights(self, field: ConvField) -> None:
        for conv, layer in zip(self.convs, timed_convs(field), strict=True):
            layer.conv.weight.copy_(conv.weight[:, :-1])
            layer.time_weight.copy_(conv.weight[:, -1:])
            layer.conv.bias.copy_(conv.bias)

    def forward(self, t: Tensor, v: Tensor, context: Tensor | None) -> Tensor:
        x = v if context is None else torch.cat([v, context], dim=1)
        for place, conv in enumerate(self.convs):
            x = F.softplus(x) if place else x
            x = conv(torch.cat([x, torch.ones_like(x[:, :1]) * t], dim=1))
        return x


def timed_convs(field: ConvField) -> list[TimedConv]:
    """Return the layers of a field that was built with a time."""
    return list(field.layers)


def draw_probes(x: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Draw one Rademacher probe for each block, the draws of a training step of flowzoo's."""
    call = Call(generator=generator)
    return [call.rademacher(x) for _ in range(count)]


def standard_normal(z: Tensor) -> Tensor:
    """Return ``log N(z; 0, I)``, ``(B,)``."""
    return -0.5 * (z.square() + math.log(2.0 * math.pi)).flatten(1).sum(1)


def flat_gradient(recipe: Recipe) -> Tensor:
    """Return the gradient left on the weights, one vector."""
    parts = [part.flatten() for field in recipe.fields for conv in field.convs for part in _split(conv)]
    return torch.cat(parts)


def _split(conv: nn.Conv2d) -> tuple[Tensor, Tensor, Tensor]:
    assert conv.bias is not None
    assert conv.weight.grad is not None, "it was not differentiated"
    assert conv.bias.grad is not None
    return conv.weight.grad[:, :-1], conv.weight.grad[:, -1:], conv.bias.grad


def flat_gradient_of_fields(blocks: Iterable[ConvField]) -> Tensor:
    """Return the same vector from flowzoo's fields."""
    parts: list[Tensor] = []
    for block in blocks:
        for layer in timed_convs(block):
            for parameter in (layer.conv.weight, layer.time_weight, layer.conv.bias):
                assert parameter is not None, "built with a time and a bias"
                assert parameter.grad is not None, "it was not differentiated"
                parts.append(parameter.grad.flatten())
    return torch.cat(parts)
