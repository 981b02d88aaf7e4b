"""A smaller model of the same recipe, which is judged if the model itself has too many dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.perturbation import randomise
from flowzoo.registry.models import create_model
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.shapes import IntegerImages

FIRST_PASS_IMAGES = 512

_POWERS = (2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Rebuilt:
    """A smaller model.

    Attributes:
        flow: The model, in the precision of the one that it stands for.
        trained: Whether it has the other's trained weights; otherwise its own are random.
    """

    flow: Flow
    trained: bool

    def __str__(self) -> str:
        size = "x".join(map(str, self.flow.image_shape))
        return f"rebuilt at {size} with {'trained' if self.trained else 'perturbed'} weights"


def smaller_sizes(flow: Flow) -> Iterator[tuple[int, int]]:
    """Yield heights and widths of the image's proportions below its own, the largest first.

    For images that are not square, sizes of about these proportions follow that can be halved several times.
    No size is 1x1, at which a sum over the image and a mean are the same.
    """
    _, height, width = flow.image_shape
    steps = math.gcd(height, width)
    exact = [(height * step // steps, width * step // steps) for step in range(steps - 1, 0, -1)]
    yield from (each for each in exact if math.prod(each) > 1)
    if height != width:
        halved = {
            (side * rows, side * max(1, round(rows * width / height)))
            for side in _POWERS
            for rows in range(1, height // side + 1)
        }
        fitting = {(rows, columns) for rows, columns in halved if rows < height and columns < width}
        yield from sorted(fitting - set(exact), key=math.prod, reverse=True)


def rebuild(
    flow: Flow, source: ImageSource, size: tuple[int, int], seed: int, trained: bool
) -> Rebuilt | None:
    """Return a model of the same recipe for smaller images; None if it cannot be built for this size.

    It goes through its first pass on crops of the data. Then it gets the weights of the model that do not
    depend on the size of the image. If that leaves out any that were trained, noise is added to all. State
    from the first pass that depends on the size, such as a whitening's, stays as the crops gave it.

    Args:
        flow: A model with a recipe.
        source: Images of the model's size.
        size: Height and width.
        seed: Seed of everything that is random.
        trained: Whether all trained weights of the model have to fit the smaller one; otherwise some must not
            fit. Where nothing trains, the rest of the state counts as trained.
    """
    recipe = flow.recipe
    assert recipe is not None, "only models with recipes can be built again"
    shape = (flow.image_shape[0], *size)
    try:
        small = create_model(
            recipe.model, shape, bins=recipe.bins, pixels=recipe.pixels, seed=seed, **recipe.options
        )
    except FlowzooError:
        return None
    ours, theirs = flow.state_dict(), small.state_dict()
    floats = {name for name, value in [*ours.items(), *theirs.items()] if value.is_floating_point()}
    fitting = {
        name for name in floats if name in ours and name in theirs and ours[name].shape == theirs[name].shape
    }
    parameters = {name for model in (flow, small) for name, _ in model.named_parameters()}
    if trained != ((parameters or floats) <= fitting):
        return None
    generator = torch.Generator().manual_seed(seed)
    scored = scored_levels(small)
    if scored:
        fit_splits(small, [torch.randn(small.dimensions, generator=generator).double()] * scored)
    images = source.take(spread(len(source), FIRST_PASS_IMAGES))
    cut = crops(images, size, generator)
    small.initialise(iter(cut.split(len(cut) // 2 or 1)), generator)
    small.load_state_dict({**small.state_dict(), **{name: ours[name].cpu() for name in fitting}})
    if not trained:
        randomise(small, seed)
    return Rebuilt(small.to(flow.device), trained)


def crops(images: IntegerImages, size: tuple[int, int], generator: torch.Generator) -> IntegerImages:
    """Cut a piece of each image, at a random place."""
    height, width = size
    rows, columns = images.shape[-2] - height + 1, images.shape[-1] - width + 1
    tops = torch.randint(0, rows, (len(images),), generator=generator).tolist()
    lefts = torch.randint(0, columns, (len(images),), generator=generator).tolist()
    cut = [
        image[..., top : top + height, left : left + width]
        for image, top, left in zip(images, tops, lefts, strict=True)
    ]
    return torch.stack(cut)
