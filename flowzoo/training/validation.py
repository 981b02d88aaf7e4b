"""Bits per dimension on part of the validation split, while training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import ImageSource
from flowzoo.dequantisation import dequantise
from flowzoo.errors import NumericalError
from flowzoo.flow import Flow, sum_terms
from flowzoo.run import Run, per_image_generators
from flowzoo.units import bits_per_dim, nats_to_bits

SEED = 1
"""Noise and probes of the validation are the same every time, so that its figures can be compared."""


@torch.no_grad()
def validate(
    flow: Flow, source: ImageSource, *, levels: Sequence[int], images: int, batch_size: int
) -> tuple[float, float]:
    """Return bits/dim and their standard error.

    Args:
        flow: The model.
        source: Images of the validation split.
        levels: Whose shares are summed; a share of some levels leaves out the pixels' rows.
        images: How many images to use.
        batch_size: How many at once.

    Raises:
        NumericalError: A likelihood is not finite.
    """
    values: list[torch.Tensor] = []
    for indices, batch in sequential_batches(source, batch_size, limit=images):
        run = Run(generator=per_image_generators(SEED, indices))
        x = dequantise(batch, flow.bins, run)
        if len(levels) == len(flow.levels):
            values.append(bits_per_dim(flow.log_prob(x, run), flow.dimensions, flow.bins).cpu())
            continue
        for index in levels:
            terms = flow.level(index)(flow.level_input(index, x, run), run)[2]
            values.append(nats_to_bits(-sum_terms(terms), flow.dimensions).cpu())
    bits = torch.cat(values).double()
    if not bool(bits.isfinite().all()):
        raise NumericalError("the likelihood of a validation image is not finite")
    error = float(bits.std()) / math.sqrt(len(bits)) if len(bits) > 1 else 0.0
    return float(bits.mean()), error
