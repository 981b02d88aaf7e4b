"""A sound split policy, and what can be broken in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.component import Check
from tests.testing.broken.example import (
    Example,
    after,
    common_breaks,
    instead,
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


SPLIT = Example(
    "split",
    lambda _: KeepFirstChannels(2),
    {
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
