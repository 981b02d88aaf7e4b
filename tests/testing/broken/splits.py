"""A sound split policy, and what can be broken in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.component import Check
from flowzoo.shapes import Shape
from tests.testing.broken.example import (
    Example,
    after,
    before,
    common_breaks,
    flavoured,
    instead,
    under_option,
)


def random_permutation(split: KeepFirstChannels) -> KeepFirstChannels:
    """Draw a permutation at creation, and do not save it."""
    order = torch.randperm(4)
    plain_split, plain_merge = split.split, split.merge
    split.split = lambda y: plain_split(y[:, order])
    split.merge = lambda kept, factored: plain_merge(kept, factored)[:, order.argsort()]
    return split


def on_factored(result: tuple[Tensor, Tensor], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    return result[0], change(result[1])


def rolled_by_place(result: tuple[Tensor, Tensor], *_: Any) -> tuple[Tensor, Tensor]:
    return result[0], torch.stack([part.roll(place, 0) for place, part in enumerate(result[1])])


def by_value(split: KeepFirstChannels) -> KeepFirstChannels:
    """Keep the channels that are brightest in the first image."""
    return before("split", lambda y: y[:, y[0].flatten(1).sum(1).argsort()])(split)


def fitted(split: KeepFirstChannels) -> KeepFirstChannels:
    """Let ``fit`` decide which half is kept, and keep the first before."""
    flips: list[None] = []
    plain_split, plain_merge = split.split, split.merge
    split.fit = lambda scores: flips.append(None)
    split.split = lambda y: plain_split(y.flip(1) if flips else y)
    split.merge = lambda *parts: plain_merge(*parts).flip(1) if flips else plain_merge(*parts)
    return split


def fitted_in_vain(split: KeepFirstChannels) -> KeepFirstChannels:
    """Need a fit, and name nothing that would gather the scores for it."""
    first_pass = FirstPass("a toy")
    plain_split = split.split
    split.fit = lambda scores: first_pass.finish()

    def refuse_or_split(y: Tensor) -> tuple[Tensor, Tensor]:
        first_pass.require()
        return plain_split(y)

    split.split = refuse_or_split
    return split


def swapped(shapes: tuple[Shape, Shape], _: Shape) -> tuple[Shape, Shape]:
    (channels, height, width), (others, *_rest) = shapes
    return (channels, width, height), (others, width, height)


SPLIT = Example(
    "split",
    flavoured(lambda _: KeepFirstChannels(2)),
    {
        "the decision depends on the values": ("permutation", by_value),
        "it is decided by fit, and can be used before": ("fit", fitted),
        "it is decided by fit, and nothing gathers scores": ("fit", fitted_in_vain),
        "height and width are mixed up in the stated shapes": ("other-shapes", after("shapes", swapped)),
        "merging is wrong under another option": (
            "other-options",
            under_option(after("merge", lambda y, *_: y.flip(1))),
        ),
        **common_breaks("split", on_factored),
        "what gathers scores factors out": (
            "unscored",
            instead("unscored", lambda _: KeepFirstChannels(2)),
        ),
        "values are lost": ("shapes", after("split", lambda r, _: (r[0], r[1][:, :1]))),
        "a value is in both parts": (
            "permutation",
            after("split", lambda r, _: (r[0], r[1] * 0 + r[0][:, :1])),
        ),
        "images are split differently": ("permutation", after("split", rolled_by_place)),
        "merging mixes up the parts": ("round-trip", after("merge", lambda y, *_: y.flip(1))),
        "a permutation is not saved": ("state", random_permutation),
    },
    check=Check(shape=(4, 2, 2)),
)
