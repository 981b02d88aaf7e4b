"""Paths between images through the latents of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, SupportsIndex, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.builtin.log_det import widest_dtype
from flowzoo.errors import OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels, labels_at, labels_of
from flowzoo.integers import as_integer
from flowzoo.latents.choice import chosen_levels
from flowzoo.latents.coding import Progress, decode_in_batches, encode_in_batches, no_progress
from flowzoo.shapes import Images

Path = Literal["linear", "spherical"]
"""Shape of a path: a straight line, or an arc around the origin."""

Paths = Float[Tensor, "pairs steps _ _ _"]
"""The images along paths, ``(pairs, steps, C, H, W)``."""


def interpolate(
    flow: Flow,
    start: Images,
    end: Images,
    steps: SupportsIndex = 9,
    *,
    path: Path = "linear",
    levels: Iterable[SupportsIndex] | None = None,
    labels: Labels | None = None,
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
) -> Paths:
    """Return the images along the path from one image's latents to those of another.

    At ``t = 0, ..., 1`` the latents of each chosen level are, for the start's ``a`` and the end's ``b``,

        linear:     (1 - t) a + t b
        spherical:  ((1 - t) |a| + t |b|) (sin((1 - t) w) a / |a| + sin(t w) b / |b|) / sin w

    with ``w`` the angle between them. Draws of ``N(0, I)`` in many dimensions have almost the same norm. The
    middle of a straight line between two of them is shorter; a spherical path keeps the norm.

    With all levels the first and the last image of a path are the given ones, up to the error of the round
    trip (rounding, or a solver's tolerance). A transform that draws part of its output, such as that of
    ``msflow-image``, draws the coarse images of each given image once; the path begins and ends at the given
    images all the same.

    Args:
        flow: The model.
        start: ``(B, C, H, W)`` in ``[0, 1)``.
        end: As many images.
        steps: Images on each path, with both ends; at least 2.
        path: ``linear`` or ``spherical``.
        levels: The levels whose latents move, 0 being the finest; those of the others stay the start's. By
            default all levels.
        labels: For a model with classes: the class that each pair is encoded and decoded with, ``(B,)``, or
            one for all; -1 for no label.
        batch_size: Images at once; by default all of them.
        progress: Called with the number of images that were encoded or decoded, after each batch.

    Returns:
        ``(B, steps, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside.

    Raises:
        OptionError: There are fewer than 2 steps, no such path, level or class, or not one label for each
            pair.
        ShapeError: ``start`` and ``end`` are not as many images of the model's shape.
        DataError: There is no image, or a value is not in ``[0, 1)``.

    References:
        Linear: Dinh et al., "Density estimation using Real NVP", 2017; Kingma and Dhariwal, "Glow", 2018.
        Spherical: White, "Sampling generative networks", 2016, section 2.1, there of unit vectors.
    """
    count = as_integer(steps)
    if count is None or count < 2:
        raise OptionError(
            f"steps is {steps!r:.40}, and a path has 2 images at least: its ends. Give 2 or more"
        )
    if path not in get_args(Path):
        raise OptionError(f"there is no path {path!r:.40}. Choose one of: {', '.join(get_args(Path))}")
    moving = chosen_levels(flow, levels)
    if len(start) != len(end):
        raise ShapeError(f"there are {len(start)} start(s) for {len(end)} end(s). Give as many of both")
    pairs = len(start)
    own = labels_of(labels, pairs, flow.classes)
    latents = encode_in_batches(
        flow, torch.cat([start.to(end), end]), batch_size, progress, labels_at(own, [*range(pairs)] * 2)
    )
    follow = _along_a_line if path == "linear" else _along_an_arc
    positions = [place / (count - 1) for place in range(count)]
    between = []
    for place, z in enumerate(latents):
        a, b = z[:pairs], z[pairs:] if place in moving else z[:pairs]
        between.append(torch.stack([follow(a, b, t) for t in positions], dim=1).flatten(0, 1))
    sources = [pair for pair in range(pairs) for _ in range(count)]
    images = decode_in_batches(flow, between, batch_size, progress, labels_at(own, sources))
    return images.reshape(pairs, count, *flow.image_shape)


def _along_a_line(a: Images, b: Images, t: float) -> Images:
    return torch.lerp(a, b, t)


def _along_an_arc(a: Images, b: Images, t: float) -> Images:
    # The ends are exact, and so are latents that do not move.
    if t in (0.0, 1.0):
        return a if t == 0.0 else b
    wide_a, wide_b = (each.to(widest_dtype(each.device)).flatten(1) for each in (a, b))
    norm_a, norm_b = wide_a.norm(dim=1, keepdim=True), wide_b.norm(dim=1, keepdim=True)
    unit_a, unit_b = wide_a / norm_a, wide_b / norm_b
    # This form keeps its digits at small angles, where the arc cosine loses them.
    angle = 2 * torch.atan2((unit_a - unit_b).norm(dim=1), (unit_a + unit_b).norm(dim=1)).unsqueeze(1)
    sine = torch.sin(angle)
    direction = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / sine
    arc = torch.lerp(norm_a, norm_b, t) * direction
    # Without an angle, or between opposite directions, no arc is the shortest: the line is what is left.
    line = torch.lerp(wide_a, wide_b, t)
    defined = (sine > _SMALLEST_SINE) & (norm_a > 0) & (norm_b > 0)
    return torch.where(defined, arc, line).reshape(a.shape).to(a.dtype)


_SMALLEST_SINE = 1e-6
