"""Images of which some levels' latents are kept, and the others are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.calibration import in_batches
from flowzoo.call import Call, per_image_generators
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels, Temperature, labels_at, labels_of, temperatures_of
from flowzoo.integers import positive_integer
from flowzoo.latents.choice import chosen_levels
from flowzoo.latents.coding import Progress, encode_in_batches, no_progress
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

DRAWS_APART = 1_000_000
"""Between the numbers of two draws of one image, so that none depends on how many images there are."""

Draws = Float[Tensor, "batch draws _ _ _"]
"""Several draws for each image, ``(B, draws, C, H, W)``."""


@torch.no_grad()
def reconstruct(
    flow: Flow,
    x: Images,
    keep: Iterable[SupportsIndex],
    temperature: Temperature = 1.0,
    seed: SupportsIndex | None = None,
    *,
    draws: SupportsIndex = 1,
    labels: Labels | None = None,
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
) -> Draws:
    """Encode images, keep the latents of some levels, draw those of the others, and decode.

    What the images of one row have in common is what the kept levels hold. With all levels kept they are
    the given images, up to the error of the round trip. With none the first draw is that of
    :meth:`~flowzoo.flow.Flow.sample` with the same seed, up to a solver's tolerance. At temperature 0 the
    drawn levels have no noise.

    A transform that draws part of its output draws the coarse images of each given image once.

    Args:
        flow: The model.
        x: ``(B, C, H, W)`` in ``[0, 1)``.
        keep: The levels whose latents are kept, 0 being the finest.
        temperature: Standard deviation of the drawn latents, one number for all levels or a list, coarsest
            first.
        seed: Makes the draw repeatable; the global random state is not touched either way.
        draws: Draws for each image. More of them, or more images, change none of those before.
        labels: For a model with classes: the class that each image is encoded and decoded with, ``(B,)``, or
            one for all; -1 for no label.
        batch_size: Images at once; by default all of them.
        progress: Called with the number of images that were encoded or decoded, after each batch.

    Returns:
        ``(B, draws, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside.

    Raises:
        OptionError: There is no such level or class, not one label for each image, or the temperature, the
            seed or the number of draws is out of range.
        ShapeError: ``x`` is not a batch of images of the model's shape.
        DataError: There is no image, or a value is not in ``[0, 1)``.
        NumericalError: The result is not finite.
    """
    kept = chosen_levels(flow, keep)
    repeats = positive_integer("draws, how many images to draw for each one,", draws)
    base = torch.Generator().seed() if seed is None else check_seed(seed)
    temperatures_of(temperature, len(flow.levels))  # refused before the work
    count = len(x)
    own = labels_of(labels, count, flow.classes)
    latents = encode_in_batches(flow, x, batch_size, progress, own)

    def draw(places: range, warm_start: WarmStart) -> Images:
        # Draw by draw: the images of the first come first.
        sources = [place % count for place in places]
        numbers = (place % count + place // count * DRAWS_APART for place in places)
        call = Call(
            generator=per_image_generators(base, numbers),
            solver=Solving(warm_start=warm_start),
            labels=labels_at(own, sources),
        )
        drawn = flow.draw_latents(len(places), temperature, call)
        mixed = [latents[place][sources] if place in kept else z for place, z in enumerate(drawn)]
        return flow.decode(mixed, call)

    total = count * repeats
    at_once = total if batch_size is None else positive_integer("batch_size", batch_size)
    found = []
    for images in in_batches(flow, total, at_once, int(flow.calibrates), draw):
        found.append(images)
        progress(len(images))
    return torch.cat(found).reshape(repeats, count, *flow.image_shape).transpose(0, 1)
