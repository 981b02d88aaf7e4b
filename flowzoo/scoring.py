"""Scores for splits that are decided from data: what each pixel contributes to the log-determinant.

The model that gathers them is the same recipe with splits that keep everything, so that every pixel passes
through every layer. A pixel is known by its index in the raster order of ``(C, H, W)``, wherever transforms
and splits move it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.errors import DataError, OptionError
from flowzoo.flow import Flow
from flowzoo.run import Run
from flowzoo.shapes import Images, Shape

Scores = Float[Tensor, " pixels"]
"""One score for each pixel of the finest image, by its index; nats."""


def scored_levels(flow: Flow) -> int:
    """Return how many levels, from the finest, hold all splits that need scores; 0 if none does."""
    needing = [place for place in range(len(flow.levels)) if flow.level(place).split.unscored() is not None]
    return max(needing) + 1 if needing else 0


@torch.no_grad()
def gather_scores(scoring: Flow, levels: int, batches: Iterable[Images], run: Run) -> list[Scores]:
    """Return each pixel's mean share of the ``log_det`` of all joints up to a level, level by level.

    The shares start at 0 after the pixel transform.

    Args:
        scoring: The model whose splits keep everything.
        levels: For how many levels, from the finest.
        batches: Of ``(B, C, H, W)`` in ``[0, 1)``.
        run: Generator of this pass.

    Raises:
        DataError: There was no image.
    """
    totals = [torch.zeros(scoring.dimensions, dtype=torch.float64) for _ in range(levels)]
    count = 0
    for images in batches:
        count += len(images)
        for total, found in zip(totals, _shares(scoring, levels, images, run), strict=True):
            total += found
    if not count:
        raise DataError("the scoring pass over the data got no images; is the training split empty?")
    return [total / count for total in totals]


def fit_splits(flow: Flow, scores: Sequence[Scores]) -> None:
    """Decide the splits of a model from scores.

    Args:
        flow: The model; its splits are fitted in place.
        scores: What :func:`gather_scores` returned.
    """
    places = _pixel_places(flow.image_shape)
    for index, by_pixel in enumerate(scores):
        level = flow.level(index)
        places, _ = level.transform(places)
        level.split.fit(by_pixel[places.long()].to(device=flow.device))
        kept, _ = level.split.split(places.to(flow.device))
        if kept is None:
            return
        places = kept.cpu()


@torch.no_grad()
def levels_of_pixels(flow: Flow) -> Images:
    """Return at which level each pixel is factored out, ``(1, C, H, W)``, 0 being the finest.

    Raises:
        OptionError: A transform mixes pixels, so that none of them belongs to one level.
        NotInitialisedError: A split has not been fitted yet.
    """
    levels = [flow.level(place) for place in range(len(flow.levels))]
    if not all(level.transform.permutes for level in levels):
        raise OptionError("the transform between levels mixes pixels, so that no pixel belongs to one level")
    out: Images | None = None
    for place, level in reversed(list(enumerate(levels))):
        factored = torch.full((1, *flow.latent_shapes[place]), float(place), device=flow.device)
        out = level.transform.inverse(level.split.merge(out, factored))
    assert out is not None, "a flow has levels"
    return out


def _shares(scoring: Flow, levels: int, images: Images, run: Run) -> list[Scores]:
    """Return each pixel's shares, summed over the images of a batch, after each level's joint."""
    found: list[Scores] = []
    x = scoring.level_input(0, images, run)
    shares, places = torch.zeros_like(x), _pixel_places(scoring.image_shape)
    for index in range(levels):
        level = scoring.level(index)
        y, _ = level.transform(x, run)
        shares, _ = level.transform(shares)
        places, _ = level.transform(places)
        y, shares = level.joint.forward_with_shares(y, shares, None, run)
        by_pixel = torch.zeros(scoring.dimensions, dtype=torch.float64)
        by_pixel[places.long().flatten()] = shares.sum(0).flatten().double().cpu()
        found.append(by_pixel)
        if index + 1 < levels:
            x, shares, places = (_kept(level.split.split(each)[0]) for each in (y, shares, places))
    return found


def _kept(kept: Images | None) -> Images:
    assert kept is not None, "levels that are scored keep something"
    return kept


def _pixel_places(shape: Shape) -> Images:
    """Return an image of its pixels' indices; float64 holds them exactly."""
    channels, height, width = shape
    return torch.arange(channels * height * width, dtype=torch.float64).reshape(1, *shape)
