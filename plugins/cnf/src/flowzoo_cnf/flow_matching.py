"""Flow matching: train the fields on paths from data to noise, without solving an ODE."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flowzoo.api import Call, Images, Network, PerImage
from flowzoo_cnf.pairing import pair
from flowzoo_cnf.paths import likelihood_times, point
from flowzoo_cnf.settings import Settings


def flow_matching_loss(
    blocks: Sequence[Network], x: Images, context: Images | None, call: Call, settings: Settings
) -> PerImage:
    """Return half the squared distance of the fields from the velocity of a path, ``(B,)``.

    The path leads from ``x`` to ``z ~ N(0, I)`` (:mod:`flowzoo_cnf.paths`). Block ``k`` of ``K`` has the
    times ``[k/K, (k+1)/K]`` and passes them in unit time, so its field is compared with the velocity divided
    by ``K``, and its loss is weighted by ``K^2``.

    Times are stratified over the batch, which puts the images of a block next to each other: the batch is
    expected in random order.

    Args:
        blocks: The fields, in the order in which data meet them.
        x: ``(B, C, H, W)``, data.
        context: Context for every field.
        call: Its generator draws the noise and the times; the fields get it too.
        settings: Which path, which times, and which noise goes with which image of the batch: as drawn, or by
            :func:`~flowzoo_cnf.pairing.pair`, which makes the paths straighter.

    References:
        Lipman et al., "Flow Matching for Generative Modeling", 2023, equation 23, with time reversed.
    """
    count, batch = len(blocks), x.shape[0]
    z = call.normal(x)
    if settings.pairing == "optimal-transport":
        z = pair(x, z, context)
    jitter = call.uniform(torch.empty((batch, 1), dtype=x.dtype, device=x.device)).squeeze(1)
    place = torch.arange(batch, dtype=x.dtype, device=x.device)
    t = (place + jitter) / batch
    if settings.times == "likelihood":
        t = likelihood_times(t)
    t = t.clamp(max=1.0 - torch.finfo(x.dtype).eps)
    at = point(settings.path, t.reshape(-1, 1, 1, 1))
    v, velocity = at.data * x + at.noise * z, (at.data_rate * x + at.noise_rate * z) / count
    losses: list[PerImage] = []
    first = 0
    for k, images in enumerate(_images_of_blocks(t, count, settings)):
        if not images:
            continue
        mine = slice(first, first + images)
        given = None if context is None else context[mine]
        field = blocks[k](v[mine], given, t[mine] * count - k, call)
        losses.append((field - velocity[mine]).square().flatten(1).sum(1))
        first += images
    return 0.5 * count**2 * torch.cat(losses)


def _images_of_blocks(t: Tensor, count: int, settings: Settings) -> Sequence[int]:
    """Return how many images have times of each block; times rise with the place in the batch."""
    batch = len(t)
    if count == 1 or (settings.times == "uniform" and batch % count == 0):
        return [batch // count] * count  # the strata of a block are its images
    # The numbers are known on the device alone, so they are read back: once, instead of once a block.
    owner = (t * count).long().clamp(max=count - 1)
    blocks = torch.arange(count, device=t.device)
    sizes: list[int] = (owner[:, None] == blocks).sum(0).tolist()
    return sizes
