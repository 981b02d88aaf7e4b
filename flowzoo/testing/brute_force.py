"""Log-determinants and likelihoods from the whole Jacobian, without the components' own log-determinants."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels
from flowzoo.shapes import Images, PerImage


def brute_force_jacobian(y: Tensor, x: Tensor) -> Tensor:
    """Return ``dy/dx`` of every image by automatic differentiation.

    Args:
        y: ``(B, ...)``, computed from ``x``. Each image's values depend on that image alone.
        x: ``(B, C, H, W)``, a leaf that requires gradients.

    Returns:
        ``(B, outputs, inputs)``, of the flattened images.
    """
    # Images do not mix, so that one backward pass gives a row of every image's Jacobian.
    values = y.flatten(1).sum(0)
    try:
        rows = _all_rows(values, x)
    except RuntimeError:  # the gradient of some operation cannot be computed for all rows at once
        rows = torch.stack([_row(each, x) for each in values])
    return rows.flatten(2).transpose(0, 1)


def _all_rows(values: Tensor, x: Tensor) -> Tensor:
    chosen = torch.eye(len(values), dtype=values.dtype, device=values.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns where it uses a loop
        (rows,) = torch.autograd.grad(
            values, [x], chosen, retain_graph=True, is_grads_batched=True, materialize_grads=True
        )
    return rows


def _row(value: Tensor, x: Tensor) -> Tensor:
    (row,) = torch.autograd.grad(value, [x], retain_graph=True, materialize_grads=True)
    return row


def brute_force_log_det(y: Tensor, x: Tensor) -> PerImage:
    """Return ``log |det dy/dx|`` of every image, ``(B,)``, in nats.

    Args:
        y: As in :func:`brute_force_jacobian`, with as many values as ``x``.
        x: As in :func:`brute_force_jacobian`.
    """
    log_det: Tensor = torch.linalg.slogdet(brute_force_jacobian(y, x)).logabsdet
    return log_det


def brute_force_log_prob(flow: Flow, x: Images, labels: Labels | None = None) -> PerImage:
    """Return ``log N(z; 0, I) + log |det dz/dx|`` with the whole Jacobian of ``x -> z``.

    Args:
        flow: The model, initialised.
        x: ``(B, C, H, W)`` in ``[0, 1)``, in float64 for precision. Images must be tiny, since the Jacobian
            has ``(C H W)^2`` entries.
        labels: As in :meth:`flowzoo.flow.Flow.log_prob`.

    Returns:
        ``(B,)``, nats.
    """
    x = x.detach().requires_grad_()
    z = torch.cat([latent.flatten(1) for latent in flow.encode(x, labels=labels)], dim=1)[:, None, None]
    return (standard_normal_log_prob(z) + brute_force_log_det(z, x)).detach()
