"""Bits per dimension on part of the validation split, while training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from flowzoo.calibration import PILOT_IMAGES, calibrate
from flowzoo.call import Call, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.errors import DataError, NumericalError
from flowzoo.flow import Flow
from flowzoo.shapes import PerImage
from flowzoo.solving import Solving
from flowzoo.terms import sum_terms
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart

SEED = 1
"""Seed of noise and probes: the same for every validation, so that its figures can be compared."""


@torch.no_grad()
def validate(
    flow: Flow,
    source: ImageSource,
    *,
    levels: Sequence[int],
    images: int,
    batch_size: int,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> tuple[float, float]:
    """Return bits/dim and their standard error.

    The calibration on pilot images, such as a solver's grid, is frozen before any image is measured. If
    components calibrate nothing, the figures of the pilot images are used.

    Args:
        flow: The model.
        source: Images of the validation split.
        levels: The levels whose terms are summed. For some of the levels only, those of the pixels and of the
            noise are left out.
        images: Number of images to use.
        batch_size: Number of images at once.
        progress: Called with the number of images that are done, and with the number of all.

    Raises:
        DataError: There are no images.
        NumericalError: A likelihood is not finite.
    """
    count = min(images, len(source))
    if not count:
        raise DataError("the validation split holds no images; use a data set with more of them")
    pilot = spread(count, min(PILOT_IMAGES, batch_size))
    warm_start, first = calibrate(flow, lambda new: _bits(flow, source, pilot, levels, new))
    values = [first]
    remaining = [index for index in range(count) if index not in pilot]
    if warm_start.state():
        values, remaining = [], list(range(count))
    for start in range(0, len(remaining), batch_size):
        values.append(_bits(flow, source, remaining[start : start + batch_size], levels, warm_start))
        progress(count - max(0, len(remaining) - start - batch_size), count)
    bits = torch.cat(values).double()
    if not bool(bits.isfinite().all()):
        raise NumericalError("the likelihood of a validation image is not finite")
    error = float(bits.std()) / math.sqrt(len(bits)) if len(bits) > 1 else 0.0
    return float(bits.mean()), error


def _bits(
    flow: Flow, source: ImageSource, indices: Sequence[int], levels: Sequence[int], warm_start: WarmStart
) -> PerImage:
    """Return the images' bits/dim, or the part of the given levels, on the CPU."""
    call = Call(generator=per_image_generators(SEED, indices), solver=Solving(warm_start=warm_start))
    images = source.take(indices)
    if len(levels) == len(flow.levels):
        return flow.bits_per_dim(images, call).cpu()
    x = flow.dequantise(images, call).x
    terms = [flow.level(index)(flow.level_input(index, x, call), call)[2] for index in levels]
    nats = torch.stack([sum_terms(each) for each in terms]).sum(0)
    return nats_to_bits(-nats, flow.dimensions).cpu()
