"""Scores for splits that are decided from data: what each pixel contributes to the log-determinant.

The model that gathers them is the same recipe with splits that keep everything, so that every pixel passes
through every layer. A pixel is identified by its index in the raster order of ``(C, H, W)``, even if
transforms and splits move it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowzoo import checked
from flowzoo.builtin.log_det import widest_dtype
from flowzoo.call import Call
from flowzoo.errors import DataError, NumericalError, OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.origin import name_of
from flowzoo.shapes import Images
from flowzoo.split import SplitPolicy

Scores = Float[Tensor, " pixels"]
"""One score for each pixel of the finest image, by its index; nats."""


def scored_levels(flow: Flow) -> int:
    """Return the number of levels, from the finest, that hold all splits with scores; 0 if there are none."""
    needing = [place for place in range(len(flow.levels)) if flow.level(place).split.unscored() is not None]
    return max(needing) + 1 if needing else 0


@torch.no_grad()
def gather_scores(
    scoring: Flow,
    levels: int,
    batches: Iterable[Images],
    call: Call,
    progress: Callable[[int], None] = lambda images: None,
) -> list[Scores]:
    """Return each pixel's mean contribution to the ``log_det`` of all joints up to a level, level by level.

    The contributions start at 0 after the pixel transform.

    Args:
        scoring: The model whose splits keep everything.
        levels: Number of levels, from the finest.
        batches: Of ``(B, C, H, W)`` in ``[0, 1)``.
        call: Generator of this pass.
        progress: Called with the number of images done, after each batch.

    Raises:
        DataError: There was no image.
        ShapeError: A part returned other shapes than its interface states, or did not only move pixels.
    """
    totals = [torch.zeros(scoring.dimensions, dtype=torch.float64) for _ in range(levels)]
    count = 0
    for images in batches:
        count += len(images)
        for total, found in zip(totals, _contributions(scoring, levels, images, call), strict=True):
            total += found
        progress(len(images))
    if not count:
        raise DataError("the scoring pass over the data got no images; is the training split empty?")
    return [total / count for total in totals]


@torch.no_grad()
def fit_splits(flow: Flow, scores: Sequence[Scores]) -> None:
    """Decide the splits of a model from scores.

    Args:
        flow: The model; its splits are fitted in place.
        scores: What :func:`gather_scores` returned.

    Raises:
        NumericalError: A pixel has no finite score.
    """
    places = _pixel_places(flow)
    for index, by_pixel in enumerate(scores):
        level = flow.level(index)
        places, _ = level.transform(places)
        here = by_pixel.to(places)[places.long()]
        if not bool(here.isfinite().all()):
            raise NumericalError(
                f"pixels that reach level {index} have no finite score; the scoring model diverged, or the "
                "unscored() of a finer level's split does not keep everything"
            )
        level.split.fit(here)
        kept, _ = level.split.split(places)
        if kept is None:
            return
        places = kept


@torch.no_grad()
def levels_of_pixels(flow: Flow) -> Images:
    """Return at which level each pixel is factored out, ``(1, C, H, W)``, 0 being the finest.

    Raises:
        OptionError: Pixels are mixed before or between the splits, so that none of them belongs to one level.
        NotInitialisedError: A split has not been fitted yet.
    """
    levels = [flow.level(place) for place in range(len(flow.levels))]
    _require_unmixed(flow)
    out: Images | None = None
    for place, level in reversed(list(enumerate(levels))):
        factored = torch.full((1, *flow.latent_shapes[place]), float(place), device=flow.device)
        out = level.transform.inverse(level.split.merge(out, factored))
    assert out is not None, "a flow has levels"
    return out


@torch.no_grad()
def scores_of_pixels(flow: Flow) -> dict[int, Images]:
    """Return the scores from which splits were decided, by level, each in the place of its pixel.

    Returns:
        ``(1, C, H, W)`` of the finest image for each level with scores; NaN where a pixel does not reach the
        level. Empty if no split was decided from scores.

    Raises:
        OptionError: As :func:`levels_of_pixels`.
    """
    _require_unmixed(flow)
    found: dict[int, Images] = {}
    places = _pixel_places(flow)
    for index in range(len(flow.levels)):
        level = flow.level(index)
        places, _ = level.transform(places)
        scores = level.split.fitted_scores()
        if scores is not None:
            by_pixel = torch.full((flow.dimensions,), torch.nan, dtype=places.dtype, device=flow.device)
            by_pixel[places.long().flatten()] = scores.to(places).flatten()
            found[index] = by_pixel.reshape(1, *flow.image_shape)
        kept, _ = level.split.split(places)
        if kept is None:
            break
        places = kept
    return found


def _require_unmixed(flow: Flow) -> None:
    levels = (flow.level(place) for place in range(len(flow.levels)))
    if not flow.pixels.traits.pointwise or not all(level.transform.traits.permutes for level in levels):
        raise OptionError(
            "the model mixes pixels before its splits, so that no pixel belongs to one level. Use a model "
            "whose transforms only move pixels, such as realnvp, glow or lcma"
        )


def _contributions(scoring: Flow, levels: int, images: Images, call: Call) -> list[Scores]:
    """Return each pixel's contributions, summed over the images of a batch, after each level's joint."""
    found: list[Scores] = []
    x = scoring.level_input(0, images, call)
    contributions, places = torch.zeros_like(x), _pixel_places(scoring)
    for index in range(levels):
        level = scoring.level(index)
        y, _ = level.transform(x, call)
        contributions, _ = level.transform(contributions)
        places, _ = level.transform(places)
        _require_each_once(places, scoring.dimensions, level.transform)
        z, contributions = checked.forward_with_contributions(level.joint, y, contributions, None, call)
        by_pixel = torch.full((scoring.dimensions,), torch.nan, dtype=torch.float64)
        by_pixel[places.long().flatten().cpu()] = contributions.sum(0).flatten().double().cpu()
        found.append(by_pixel)
        if index + 1 < levels:
            x, contributions, places = (_kept(level.split, each) for each in (z, contributions, places))
            _require_each_once(places, scoring.dimensions, level.split)
    return found


def _kept(split: SplitPolicy, values: Images) -> Images:
    kept, factored = split.split(values)
    assert kept is not None, "levels that are scored keep something"
    if kept.numel() + factored.numel() != values.numel():
        raise ShapeError(
            f"{name_of(split)} loses values. This is a mistake in the component: report it to its author"
        )
    return kept


def _require_each_once(places: Images, pixels: int, part: nn.Module) -> None:
    """Refuse a transform or a split that changes, repeats or loses values that it should only move."""
    found = places.long().flatten()
    if len(found.unique()) != len(found) or not bool(((found >= 0) & (found < pixels)).all()):
        raise ShapeError(
            f"{name_of(part)} declares that it only moves pixels, and does something else. "
            "This is a mistake in the component: report it to its author"
        )


def _pixel_places(flow: Flow) -> Images:
    """Return an image of its pixels' indices, which the widest dtype of the device holds exactly."""
    numbers = torch.arange(flow.dimensions, dtype=widest_dtype(flow.device), device=flow.device)
    return numbers.reshape(1, *flow.image_shape)
