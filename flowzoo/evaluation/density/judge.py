"""Computes ``log p(x)`` from the Jacobian, as far as the time allows, and compares it with the model's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.evaluation.density.entrance import Entrance
from flowzoo.evaluation.density.jacobian import (
    FEW_ROWS,
    NOTICEABLE,
    Derivative,
    RowMap,
    choose_derivative,
    log_abs_det,
    rows_at_once,
    seconds_a_product,
)
from flowzoo.evaluation.density.maps import Part, Settings, Whole, parts_of
from flowzoo.evaluation.density.stopwatch import Stopwatch
from flowzoo.flow import Flow

LEAST_IMAGES = 2
"""Number of images that are always judged. A method that is too slow for so many is not chosen."""

MORE_IMAGES = 0.25
"""Fraction of the budget in which more images than that are judged."""

HOPELESS = 1.5
"""If the estimated time is this many times the budget, the model is not tried at all."""

TOGETHER = 50.0
"""Rows that go through a model together are at most this many times faster than one by itself."""

PRODUCT_COSTS = 3.0
"""A product with the Jacobian is assumed to cost this many passes through encode, until it is timed."""

OPERATIONS_A_SECOND = 4e9
"""Operations per second of one core that decomposes matrices in double precision."""

COMPOSED = 1e-6
"""Largest relative difference of ``log N(z; 0, I)`` between a model and its parts, which compute the same."""

Progress = Callable[[float], None]
"""Called with the fraction of the products that has been computed."""


@dataclass(frozen=True)
class Judged:
    """What a model states and what is right: ``(N,)`` each, in nats.

    Attributes:
        method: Whether the Jacobian was that of the ``whole`` model, or computed ``by level``.
        settings: The settings with which the model computed.
        whole: The whole model as one map.
        stated: The model's own ``log p``, minus ``log q`` of the noise of dequantisation.
        latents: ``log N(z; 0, I)`` minus the log-density of all that was drawn.
        log_det: ``log |det J|`` of the Jacobian, from draws to latents.
        log_q: The model's own ``log q``; 0 where the noise is uniform.
        derivative: How it was differentiated; that of the worst part.
    """

    method: str
    settings: Settings
    whole: Whole
    stated: Tensor
    latents: Tensor
    log_det: Tensor
    log_q: Tensor
    derivative: Derivative

    @property
    def log_prob(self) -> Tensor:
        """``log p - log q`` from the Jacobian."""
        return self.latents + self.log_det


class NotSquare(Exception):
    """The number of a model's latents differs from its number of values."""


class NotItsParts(Exception):
    """A model's latents differ from those that its parts compute, so it cannot be judged by them."""


def judge(
    flow: Flow, entrance: Entrance, settings: Settings, exact: bool, seconds: float, progress: Progress
) -> Judged | None:
    """Judge a model's likelihoods of some images. Return None if that would take too long.

    Args:
        flow: The model, in float64.
        entrance: The images.
        settings: The settings with which the model computes.
        exact: Whether exact log-determinants are requested.
        seconds: Time that may be spent.
        progress: See :data:`Progress`.

    Raises:
        NotSquare: It has too few or too many latents.
    """
    x = entrance.x
    if _is_hopeless(flow, x, settings, seconds):
        return None
    whole = Whole(flow, x, settings)
    values, latents = whole.start.shape[1], sum(math.prod(shape) for shape in flow.latent_shapes)
    if values != latents:
        raise NotSquare(f"{values} values are mapped to {latents} latents")
    for part in entrance.parts:
        if part.start.shape[1] != flow.dimensions:
            raise NotSquare(
                f"{part.start.shape[1]} numbers are drawn for the noise of {flow.dimensions} values"
            )
    budget = _Budget(seconds, progress)
    found = _add_up(x, [*entrance.parts, whole], budget)
    method = "whole"
    if found is None:
        parts = [part for part in parts_of(flow, x, settings, exact=False) if part.start.shape[1]]
        found = _add_up(x, [*entrance.parts, *parts], budget)
        method = "by level"
        _require_composition(whole, parts)
    if found is None:
        return None
    log_det, derivative = found
    count = len(log_det)
    stated, log_latents, log_q = whole.stated(exact, count), whole.latents()[:count], x.new_zeros(count)
    for part in entrance.parts:
        log_q = log_q - part.stated[:count]
        log_latents = log_latents - part.noise[:count]
    return Judged(method, settings, whole, stated - log_q, log_latents, log_det, log_q, derivative)


def _require_composition(whole: Whole, parts: Sequence[Part]) -> None:
    """Refuse a model whose latents are not those of its parts, such as one with a level that changes them."""
    latents = whole.latents()
    composed = sum((part.latents - part.noise for part in parts), torch.zeros_like(latents))
    if not bool(((composed - latents).abs() <= COMPOSED * (1.0 + latents.abs())).all()):
        raise NotItsParts(
            "the latents differ from those that the transform, joint, split and conditional of each level "
            "compute one after another. A level must do no more than that. Or allow more time "
            "(--audit-seconds), so that the model is judged as a whole"
        )


def _is_hopeless(flow: Flow, x: Tensor, settings: Settings, seconds: float) -> bool:
    """Whether a few passes through encode show that there is no time for its Jacobian."""
    passes = LEAST_IMAGES * PRODUCT_COSTS * flow.dimensions
    flow.encode(x[:1], settings.call([0]))  # what is loaded in the first call must not count
    watch = Stopwatch()
    flow.encode(x[:1], settings.call([0]))
    alone = watch.seconds()
    if passes * alone / TOGETHER > HOPELESS * seconds:
        return True
    most = rows_at_once(flow.dimensions, "forward mode")
    rows = min(FEW_ROWS, most) if alone > NOTICEABLE / FEW_ROWS else most
    watch = Stopwatch()
    flow.encode(x[:1].expand(rows, -1, -1, -1), settings.call([0] * rows))
    return passes * watch.seconds() / rows > HOPELESS * seconds


@dataclass(frozen=True)
class _Budget:
    """The time that may be spent.

    Attributes:
        seconds: Number of seconds in all.
        progress: Called with the fraction that is done.
    """

    seconds: float
    progress: Progress


def _add_up(x: Tensor, maps: Sequence[RowMap], budget: _Budget) -> tuple[Tensor, Derivative] | None:
    """Return the sum of the maps' ``log |det|`` for as many images as there is time for, and how it was got.

    None if there is no time for :data:`LEAST_IMAGES`.
    """
    derivatives = [choose_derivative(each) for each in maps]
    pairs = list(zip(maps, derivatives, strict=True))
    each = sum(_seconds(mapping, derivative) for mapping, derivative in pairs)
    if LEAST_IMAGES * each > budget.seconds:
        return None
    images = min(len(x), max(LEAST_IMAGES, int(MORE_IMAGES * budget.seconds / max(each, 1e-9))))
    tick = _ticker(images * sum(mapping.start.shape[1] for mapping in maps), budget.progress)
    total = x.new_zeros(images)
    for mapping, derivative in pairs:
        total += x.new_tensor([log_abs_det(mapping, image, derivative.way, tick) for image in range(images)])
    return total, max(derivatives, key=lambda found: (_WAYS.index(found.way), found.error))


_WAYS = ("forward mode", "reverse mode", "finite differences")


def _seconds(mapping: RowMap, derivative: Derivative) -> float:
    """Return how long the log-determinant of one image takes."""
    values = mapping.start.shape[1]
    return values * seconds_a_product(mapping, derivative.way) + values**3 / OPERATIONS_A_SECOND


def _ticker(total: int, progress: Progress) -> Callable[[int], None]:
    done = 0

    def tick(products: int) -> None:
        nonlocal done
        done += products
        progress(done / max(1, total))

    return tick
