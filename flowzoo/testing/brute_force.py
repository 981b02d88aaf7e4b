"""Log-determinants and likelihoods by the whole Jacobian, whatever the components claim."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.flow import Flow
from flowzoo.shapes import Images, PerImage


def brute_force_log_det(y: Tensor, x: Tensor) -> Tensor:
    """Return ``log |det dy/dx|`` by automatic differentiation, row by row.

    Args:
        y: Computed from ``x``, with as many values.
        x: Of one image, a leaf that requires gradients.

    Returns:
        ``(1,)``, nats.
    """
    rows = [
        torch.autograd.grad(value, [x], retain_graph=True, materialize_grads=True)[0].flatten()
        for value in y.flatten()
    ]
    log_det: Tensor = torch.linalg.slogdet(torch.stack(rows)).logabsdet
    return log_det[None]


def brute_force_log_prob(flow: Flow, x: Images) -> PerImage:
    """Return ``log N(z; 0, I) + log |det dz/dx|`` with the whole Jacobian of ``x -> z``.

    Args:
        flow: The model, initialised.
        x: ``(B, C, H, W)`` in ``[0, 1)``, float64 for the figure to mean much; tiny, for the Jacobian has
            ``(C H W)^2`` entries.

    Returns:
        ``(B,)``, nats.
    """
    found: list[Tensor] = []
    for image in x.split(1):
        leaf = image.detach().requires_grad_()
        z = torch.cat([latent.flatten(1) for latent in flow.encode(leaf)], dim=1)[:, None, None]
        found.append(standard_normal_log_prob(z) + brute_force_log_det(z, leaf))
    return torch.cat(found).detach()
