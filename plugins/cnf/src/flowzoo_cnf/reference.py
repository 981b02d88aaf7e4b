"""Solves by torchdiffeq, so that the result is correct at the end point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint

from flowzoo.api import Images, NumericalError
from flowzoo_cnf.runge_kutta import Errors, Rate, Rates, Solution

MOST_STEPS = 5000


def solve_by_torchdiffeq(
    method: str,
    tolerance: float,
    rates: Rates,
    v: Images,
    integrals: Rate,
    start: float,
    end: float,
    adjoint_of: Sequence[Tensor] | None = None,
) -> Solution:
    """Solve by one of torchdiffeq's adaptive methods.

    Args:
        method: Its name there.
        tolerance: Relative and absolute tolerance, for each step and for the worst image of the batch.
        rates: Maps a time and ``v`` to the rates.
        v: The state at ``start``.
        integrals: Zeros in the shapes of the integrals.
        start: Time to begin at.
        end: Time to end at.
        adjoint_of: Differentiate by the adjoint method, with gradients for these tensors and for ``v``; by
            default through the steps.

    Raises:
        NumericalError: The solver did not finish.

    References:
        Chen et al., "Neural Ordinary Differential Equations", 2018 (the adjoint method).
    """
    times = torch.tensor([start, end], dtype=v.dtype, device=v.device)

    def all_rates(t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return rates(t, state[0])

    # Without a step that ends exactly at the end, torchdiffeq steps past it and interpolates, for bosh3
    # with a polynomial that is not its own.
    options = {"norm": worst_image_norm, "step_t": times[1:], "max_num_steps": MOST_STEPS}
    given = {"rtol": tolerance, "atol": tolerance, "method": method, "options": options}
    try:
        if adjoint_of is None:
            path = odeint(all_rates, (v, *integrals), times, **given)
        else:
            back = {"norm": "seminorm", "step_t": times[:1], "max_num_steps": MOST_STEPS}
            parameters = tuple(each for each in adjoint_of if each.requires_grad)
            path = odeint_adjoint(
                all_rates, (v, *integrals), times, adjoint_params=parameters, adjoint_options=back, **given
            )
    except AssertionError as error:
        raise NumericalError(
            f"torchdiffeq's {method}, tolerance {tolerance:g}, did not get from t={start:g} to t={end:g} "
            f"({error}); train with a lower learning rate, or loosen the tolerance"
        ) from error
    found = tuple(each[-1] for each in path)
    nothing = v.new_zeros(len(v))
    return Solution(found[0], found[1:], Errors(nothing, nothing), ())


def worst_image_norm(errors: tuple[Tensor, ...]) -> Tensor:
    """The largest error of any image, so that each image is solved to the tolerance in any batch.

    The error is that of the state and of the log-density, if it is integrated. Other integrals do not affect
    the steps.
    """
    per_image = [each.reshape(each.shape[0], -1).square().mean(1).sqrt() for each in errors[:2]]
    return torch.stack(per_image).max()
