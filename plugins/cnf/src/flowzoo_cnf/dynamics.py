"""The right-hand side of one block's ODE, for one batch of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from flowzoo.api import EVALUATION, Call, Images, Network, Prepared, Time
from flowzoo_cnf.divergence import Colours, Divergence, exact, hutchinson
from flowzoo_cnf.runge_kutta import Rate

Estimate = Callable[[Prepared, Images, Time, Images], Divergence]


@dataclass
class Calls:
    """Counts evaluations of fields."""

    count: int = 0


@dataclass(frozen=True)
class Dynamics:
    """A vector field with the integrals along its path: maps a time and ``v`` to their rates of change.

    The rates are ``dv/dt`` and, as far as requested, the divergence ``tr J``, each dimension's part of it,
    the kinetic energy ``1/2 mean |f|^2`` and the Jacobian's norm ``|J|_F^2 / D``.

    Attributes:
        block: The vector field.
        like: ``(B, C, H, W)``, the state at the start.
        context: Context for the field.
        probe: Probe of the Hutchinson estimate, laid out as ``like``; None for the exact trace or without a
            trace.
        colours: Colours for the exact trace (:func:`~flowzoo_cnf.divergence.colour`).
        contributions: Whether each dimension's part of the divergence is integrated.
        energy: Whether the kinetic energy and the Jacobian's norm are integrated.
        checkpointing: Compute activations again for the gradient instead of storing them.
        prepared_once: Whether the field is prepared for the whole solve; the adjoint method differentiates
            each evaluation by itself, preparations and all.
        estimate: :func:`~flowzoo_cnf.divergence.hutchinson`, or what it was compiled to.
        calls: Counts evaluations, those of parts of the batch included.
        call: Passed on to the field.
    """

    block: Network
    like: Images
    context: Images | None
    probe: Images | None = None
    colours: Colours | None = None
    contributions: bool = False
    energy: bool = False
    checkpointing: bool = False
    prepared_once: bool = True
    estimate: Estimate = hutchinson
    calls: Calls = field(default_factory=Calls)
    call: Call = EVALUATION
    _prepared: Prepared | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prepared = self._prepare(self.like) if self.prepared_once else None
        object.__setattr__(self, "_prepared", prepared)  # computed from the fields of a frozen record

    def __call__(self, t: Time, v: Images) -> Rate:
        """Return the rates at a time and a state."""
        self.calls.count += 1
        if not (self.checkpointing and torch.is_grad_enabled()):
            return self._rates(t, v)
        result: Rate = checkpoint(self._rates, t, v, use_reentrant=False, preserve_rng_state=False)
        return result

    def part(self, images: Tensor) -> Dynamics:
        """Return the dynamics of the images of the batch that a mask ``(B,)`` selects."""
        return replace(
            self,
            like=self.like[images],
            context=None if self.context is None else self.context[images],
            probe=None if self.probe is None else self.probe[images],
        )

    @property
    def integrals(self) -> Rate:
        """Zeros in the shapes of the integrals."""
        zero = self.like.new_zeros(self.like.shape[0])
        if self.probe is None and self.colours is None:
            return ()
        contributions: Rate = (torch.zeros_like(self.like),) if self.contributions else ()
        return (zero, *contributions, *((zero, zero) if self.energy else ()))

    def _prepare(self, like: Images) -> Prepared:
        return self.block.prepare(self.context, like, self.probe, self.call)

    def _rates(self, t: Time, v: Images) -> Rate:
        prepared = self._prepared or self._prepare(v)
        if self.probe is not None:
            found = self.estimate(prepared, v, t, self.probe)
        elif self.colours is not None:
            found = exact(prepared, v, t, self.colours)
        else:
            return (prepared(v, t),)
        rate: Rate = (found.value, found.trace)
        if self.contributions:
            rate += (found.diagonal,)
        if self.energy:
            kinetic = 0.5 * found.value.square().flatten(1).mean(1)
            rate += (kinetic, found.squared_norm / v.shape[1:].numel())
        return rate
