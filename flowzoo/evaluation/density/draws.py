"""Records what parts of a model draw, and gives it to them again, so that a Jacobian can include it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, final

import torch
from torch import Tensor, nn

from flowzoo.call import Call
from flowzoo.errors import NumericalError
from flowzoo.flow import Flow


@dataclass
class Noise:
    """The noise of one pass, in the order in which it is drawn.

    Attributes:
        values: The noise of each draw, ``(B, ...)``.
        log_prob: Log-density of all values together, ``(B,)``, nats.
        given: Whether the values are given; otherwise they are recorded.
        used: Number of given values that have been used.
        rooms: How far each value may be moved, of the same shape: uniform noise stays in ``[0, 1)``.
    """

    values: list[Tensor] = field(default_factory=list)
    log_prob: Tensor | None = None
    given: bool = False
    used: int = 0
    rooms: list[Tensor] = field(default_factory=list)

    def flat(self, like: Tensor) -> Tensor:
        """Return all values side by side, ``(B, E)``, float64; ``like`` has as many rows."""
        return _side_by_side(self.values, like)

    def room(self, like: Tensor) -> Tensor:
        """Return how far each of the values of :meth:`flat` may be moved, ``(B, E)``."""
        return _side_by_side(self.rooms, like)

    def replayed(self, flat: Tensor) -> Noise:
        """Return noise that gives the columns of ``(B, E)`` in place of new draws."""
        sizes = [each[0].numel() for each in self.values]
        parts = flat.split(sizes, dim=1)
        values = [part.reshape(-1, *each.shape[1:]) for part, each in zip(parts, self.values, strict=True)]
        return Noise(values=values, given=True)


@final
@dataclass(frozen=True)
class _NoisyRun(Call):
    """A call whose continuous draws are recorded, or given.

    It replaces the :class:`~flowzoo.call.Call` of a stochastic transform, since its draws have to be
    variables of the Jacobian.
    """

    noise: Noise = field(default_factory=Noise)

    def normal(self, like: Tensor) -> Tensor:
        value = self._given(like)
        if value is None:
            value = super().normal(like)
            wide = value.double().flatten(1)
            log_prob = -0.5 * (wide.square().sum(1) + wide.shape[1] * math.log(2.0 * math.pi))
            self._record(value, log_prob, torch.full_like(value, 0.1))
        return value

    def uniform(self, like: Tensor) -> Tensor:
        value = self._given(like)
        if value is None:
            value = super().uniform(like)
            room = 0.5 * torch.minimum(value, 1.0 - value).clamp(min=1e-9)
            self._record(value, value.new_zeros(len(value)).double(), room)
        return value

    def rademacher(self, like: Tensor) -> Tensor:
        raise NumericalError("it draws signs, which have no density")

    def _given(self, like: Tensor) -> Tensor | None:
        if not self.noise.given:
            return None
        value = self.noise.values[self.noise.used]
        self.noise.used += 1
        return value.to(like.dtype)

    def _record(self, value: Tensor, log_prob: Tensor, room: Tensor) -> None:
        self.noise.values.append(value)
        self.noise.rooms.append(room)
        before = self.noise.log_prob
        self.noise.log_prob = log_prob if before is None else before + log_prob


def _side_by_side(values: Sequence[Tensor], like: Tensor) -> Tensor:
    return torch.cat([like.new_zeros((len(like), 0)), *(each.flatten(1).to(like) for each in values)], 1)


@contextmanager
def noise_in(flow: Flow, noise: Noise) -> Iterator[None]:
    """Let the stochastic transforms of a model record what they draw, or use what is given.

    Other parts draw as usual: the probes of an estimated trace are not part of a density.
    """

    def swap(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        def swapped(value: Any) -> Any:
            return with_noise(value, noise) if isinstance(value, Call) else value

        return tuple(map(swapped, args)), {name: swapped(value) for name, value in kwargs.items()}

    transforms = [flow.level(place).transform for place in range(len(flow.levels))]
    handles = [
        each.register_forward_pre_hook(swap, with_kwargs=True)
        for each in transforms
        if each.traits.stochastic
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def with_noise(call: Call, noise: Noise) -> Call:
    """Return a call that records its draws in ``noise``, or takes them from there."""
    return _NoisyRun(**{each.name: getattr(call, each.name) for each in fields(Call)}, noise=noise)
