"""Flow matching: train the fields on straight lines from data to noise, without solving an ODE."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flowzoo.api import Call, Images, Network, PerImage
from flowzoo_cnf.pairing import pair
from flowzoo_cnf.settings import Pairing


def flow_matching_loss(
    blocks: Sequence[Network], x: Images, context: Images | None, call: Call, pairing: Pairing = "random"
) -> PerImage:
    """Return half the squared distance of the fields from the velocity of a straight line, ``(B,)``.

    The path is ``v(t) = (1 - t) x + t z`` with ``z ~ N(0, I)``, its velocity ``z - x``. Block ``k`` of ``K``
    has the times ``[k/K, (k+1)/K]`` and passes them in unit time, so its field is compared with
    ``(z - x) / K``, and its loss is weighted by ``K^2``.

    Times are stratified over the batch, which puts the images of a block next to each other: the batch is
    expected in random order.

    Args:
        blocks: The fields, in the order in which data meet them.
        x: ``(B, C, H, W)``, data.
        context: Context for every field.
        call: Its generator draws the noise and the times; the fields get it too.
        pairing: Which noise goes with which image of the batch: as drawn, or by
            :func:`~flowzoo_cnf.pairing.pair`, which makes the paths straighter.

    References:
        Lipman et al., "Flow Matching for Generative Modeling", 2023, equation 23, with time reversed.
    """
    count, batch = len(blocks), x.shape[0]
    z = call.normal(x)
    if pairing == "optimal-transport":
        z = pair(x, z, context)
    jitter = call.uniform(torch.empty((batch, 1), dtype=x.dtype, device=x.device)).squeeze(1)
    place = torch.arange(batch, dtype=x.dtype, device=x.device)
    t = ((place + jitter) / batch).clamp(max=1.0 - torch.finfo(x.dtype).eps)
    at = t.reshape(-1, 1, 1, 1)
    v, velocity = (1 - at) * x + at * z, (z - x) / count
    owner = (t * count).long().clamp(max=count - 1)
    losses: list[PerImage] = []
    for k, block in enumerate(blocks):
        mine = owner == k
        if not bool(mine.any()):
            continue
        given = None if context is None else context[mine]
        field = block(v[mine], given, t[mine] * count - k, call)
        losses.append((field - velocity[mine]).square().flatten(1).sum(1))
    return 0.5 * count**2 * torch.cat(losses)
