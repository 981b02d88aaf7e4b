"""The images of a draw level by level, from the coarsest to the finest."""

from __future__ import annotations

from typing import SupportsIndex

import torch
from torch import Tensor

from flowzoo.calibration import PILOT_DRAWS, in_batches
from flowzoo.call import Call, per_image_generators
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels, Temperature, labels_at, labels_of, temperatures_of
from flowzoo.integers import positive_integer
from flowzoo.latents.coding import Progress, no_progress
from flowzoo.scaling import coarse_shape, to_pixels
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, Shape
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart


def keeps_images(flow: Flow) -> bool:
    """Return whether every level but the last keeps a smaller image, so that each stage of a draw is one."""
    try:
        coarse_shape(flow, len(flow.levels) - 1)
    except OptionError:
        return False
    return True


@torch.no_grad()
def unfold(
    flow: Flow,
    n: SupportsIndex,
    temperature: Temperature = 1.0,
    seed: SupportsIndex | None = None,
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
    labels: Labels | None = None,
) -> list[Images]:
    """Draw images, and return every stage of the draw, from the coarsest level to the finest.

    Where the levels keep images (:func:`keeps_images`), a stage is the image that its level returns, at its
    own size. Otherwise it is the image at full size with zero noise in the levels that have not been drawn
    yet. The last stage is :meth:`~flowzoo.flow.Flow.sample` with the same arguments.

    Args:
        flow: The model; it needs two levels at least.
        n: Number of images.
        temperature: Standard deviation of the latents, one for all levels or a list, coarsest first.
        seed: Seed of the draw. The global random state does not change.
        batch_size: Images at once; by default all of them.
        progress: Called with the number of images done, after each batch.
        labels: For a model with classes: the class of each image, ``(n,)``, or one for all; -1 for no label.

    Returns:
        One ``(n, C, h, w)`` for each level, coarsest first, in ``[0, 1)`` up to what the model leaves
        outside.

    Raises:
        OptionError: The model has one level only; ``n``, a temperature, the seed or the batch size is out of
            range; or the model has no such class.
        NumericalError: An image is not finite.
    """
    if len(flow.levels) < 2:
        raise OptionError(
            "this model has one level, so it draws an image in one stage. Use a model with several levels"
        )
    count = positive_integer("n, how many images to draw,", n)
    at_once = count if batch_size is None else positive_integer("batch_size", batch_size)
    temperatures_of(temperature, len(flow.levels))
    base = torch.Generator().seed() if seed is None else check_seed(seed)
    own = labels_of(labels, count, flow.classes)
    stages = _sizes_of_images if keeps_images(flow) else _zero_noise
    shapes: list[Shape] = []

    def draw(places: range, warm_start: WarmStart) -> Tensor:
        # The pilot's images may be more than those that are wanted.
        given = labels_at(own, (place % count for place in places))
        generators = per_image_generators(base, places)
        call = Call(generator=generators, solver=Solving(warm_start=warm_start), labels=given)
        found = stages(flow, flow.draw_latents(len(places), temperature, call), call)
        shapes[:] = [(each.shape[1], each.shape[2], each.shape[3]) for each in found]
        return torch.cat([each.flatten(1) for each in found], dim=1)

    rows = []
    for batch in in_batches(flow, count, at_once, PILOT_DRAWS if flow.calibrates else 0, draw):
        rows.append(batch)
        progress(len(batch))
    parts = torch.cat(rows).split([torch.Size(shape).numel() for shape in shapes], dim=1)
    return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


def _sizes_of_images(flow: Flow, latents: list[Images], call: Call) -> list[Images]:
    """Return the image of each level, coarsest first."""
    y: Images | None = None
    found = []
    for place in reversed(range(len(latents))):
        y = flow.level(place).inverse(y, latents[place], call)
        found.append(to_pixels(flow, y))
    return found


def _zero_noise(flow: Flow, latents: list[Images], call: Call) -> list[Images]:
    """Return the image with the noise of the coarsest level, of the two coarsest, and so on."""
    found = []
    for drawn in range(1, len(latents) + 1):
        finer = len(latents) - drawn
        mixed = [torch.zeros_like(z) if place < finer else z for place, z in enumerate(latents)]
        found.append(flow.decode(mixed, call))
    return found
