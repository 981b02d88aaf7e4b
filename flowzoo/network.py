"""The interface of the networks inside couplings and vector fields."""

from __future__ import annotations

import functools
import warnings
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from flowzoo.call import EVALUATION, Call
from flowzoo.one_pass import BeginsPasses
from flowzoo.shapes import Images

Time = float | Tensor
"""A number, or a tensor ``()`` where solvers differentiate by the time."""


class Network(BeginsPasses, nn.Module, ABC):
    """An image-to-image network that keeps height and width, given an optional context image and time."""

    receptive_radius: int | None = None
    """Largest distance in pixels at which an input pixel changes the output; None: no bound is known.

    Exact traces of a network with a small radius cost much less than those of others.
    """

    @abstractmethod
    def forward(
        self,
        x: Images,
        context: Images | None = None,
        time: Tensor | None = None,
        call: Call = EVALUATION,
    ) -> Images:
        """Apply the network.

        Args:
            x: ``(B, C, H, W)``.
            context: ``(B, C', H', W')``, brought to the size of ``x`` by the network; None if built without.
            time: ``()`` or ``(B,)``; None if built without.
            call: Mode, generator and ledger of this pass. In the first pass over data, ``call.mode`` is
                ``initialise``.

        Returns:
            ``(B, C_out, H, W)``.
        """

    def prepare(
        self,
        context: Images | None,
        like: Images,
        tangent: Images | None = None,
        call: Call = EVALUATION,
    ) -> Prepared:
        """Return the network as the right-hand side of an ODE: what does not change during a solve is done.

        Override it to compute once what depends on the context or the tangent alone, or to give derivatives
        faster than ``torch.func.jvp`` does.

        Args:
            context: As in :meth:`forward`.
            like: ``(B, C, H, W)``, with the shape, dtype and device of every ``x`` to come.
            tangent: The tangent that every :meth:`Prepared.jvp` will get, if it is known.
            call: As in :meth:`forward`.
        """
        return Prepared(self, context, call)


class Prepared:
    """A network with its context given, which a solver calls many times.

    Args:
        network: The network.
        context: As in :meth:`Network.forward`.
        call: As in :meth:`Network.forward`.
    """

    def __init__(self, network: Network, context: Images | None, call: Call = EVALUATION) -> None:
        self.network = network
        self.context = context
        self.call = call

    def __call__(self, x: Images, time: Time) -> Images:
        """Return ``f(x)``, ``(B, C_out, H, W)``."""
        at = torch.as_tensor(time, dtype=x.dtype, device=x.device)
        result: Images = self.network(x, self.context, at, self.call)
        return result

    def jvp(self, x: Images, tangent: Images, time: Time) -> tuple[Images, Images]:
        """Return ``f(x)`` and ``J tangent`` for the Jacobian ``J = df/dx``, each ``(B, C_out, H, W)``.

        Both can be differentiated again, by the network's parameters and by ``x``.
        """
        _load_forward_mode()
        value, product = torch.func.jvp(lambda v: self(v, time), (x,), (tangent,))[:2]
        return value, product

    def jvp_many(self, x: Images, tangents: Tensor, time: Time) -> tuple[Images, Tensor]:
        """Return ``f(x)`` and ``J e`` for many tangents at once.

        Args:
            x: ``(B, C, H, W)``.
            tangents: ``(K, 1 or B, C, H, W)``.
            time: Time of the solve.

        Returns:
            ``(B, C_out, H, W)`` and ``(K, B, C_out, H, W)``.
        """

        def product(tangent: Images) -> tuple[Images, Images]:
            return self.jvp(x, tangent, time)

        # torch annotates out_dims without None, which says that an output is the same for all.
        push_all = torch.func.vmap(product, out_dims=(None, 0))  # type: ignore[arg-type]
        value, products = push_all(tangents.expand(-1, *x.shape))
        return value, products


@functools.cache
def _load_forward_mode() -> None:
    """Let torch load what it needs at first use, in which it calls a function that it declares deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.func.jvp(torch.neg, (torch.zeros(()),), (torch.zeros(()),))
