"""Checks of a data set's values: their number, their layout and their order, as far as images show them."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, ImageSource
from flowzoo.shapes import IntegerImages
from flowzoo.testing.contents import affordable, batches
from flowzoo.testing.files import load
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

FEWEST = 100
"""Images of a data set from which something can be said of their values."""

LOOK_AT = 2000
"""Images of a split by whose values layout and order are judged, evenly spread and in their order."""

SMOOTHER = 0.8
"""Another layout is taken for the true one if neighbouring values then differ by less than this share."""

BLOCKS = 10
"""Stretches of a split that are compared with each other."""

MOST_EXPLAINED = 0.1
"""Share of the images' variance that may lie between stretches, beyond chance. Real sets have 0.02 at most,
and those sorted by their class 0.2 and more."""


def uses_its_bins(trial: Trial) -> None:
    """The values are those of the stated number of bins, not fractions in disguise or of another scale."""
    dataset = load(trial)
    counts = torch.zeros(256, dtype=torch.long)
    images = 0
    for split in SPLITS:
        source = dataset.split(split)
        for batch in batches(source, affordable(source)):
            counts += torch.bincount(batch.flatten().long(), minlength=256)[:256]
            images += len(batch)
    if images < FEWEST:
        return
    used = counts.nonzero().flatten().tolist()
    bins = dataset.info.bins
    require(
        len(used) > 1,
        f"every value is {used[0]}; were fractions in [0, 1) cut to integers? scale them to 0..{bins - 1}",
    )
    step = math.gcd(*used)
    require(
        step == 1,
        f"all values are multiples of {step}, so most of the {bins} bins cannot occur; divide the values by "
        f"{step} and state bins={used[-1] // step + 1}",
    )
    # Whoever states another number than 256 has it from the data; bytes need not reach their largest value.
    reached = used[-1] >= bins // 2 if bins == 256 else used[-1] == bins - 1
    require(
        reached,
        f"no value is above {used[-1]}, and {bins} bins are stated; state bins={used[-1] + 1}, or scale the "
        "values to the bins",
    )


def has_its_layout(trial: Trial) -> None:
    """Neighbouring values are neighbours: no other layout of the same numbers makes smoother images."""
    dataset = load(trial)
    images = torch.cat([_look(dataset.split(split)) for split in SPLITS])
    count, channels, height, width = images.shape
    layouts = {
        "(height, width, channels)": images.reshape(count, height, width, channels).permute(0, 3, 1, 2),
        "(channels, width, height)": images.reshape(count, channels, width, height).mT,
    }
    stated = _roughness(images)
    for name, other in layouts.items():
        found = _roughness(other)
        require(
            found >= SMOOTHER * stated,
            f"its values look laid out as {name}: read so, neighbours differ by {found:.1f} on average, and "
            f"as (channels, height, width) by {stated:.1f}; transpose the images where they are read",
        )


def comes_mixed(trial: Trial) -> None:
    """A split's first images are like its others: validation and quick figures look at the first ones."""
    dataset = load(trial)
    for split in SPLITS:
        images = _look(dataset.split(split))
        if len(images) < FEWEST:
            continue
        share = _between_stretches(images)
        require(
            share <= MOST_EXPLAINED,
            f"split '{split}' is sorted: {share:.0%} of what its images differ by depends on where they "
            "stand in it, as if classes came one after another; shuffle it once, with a seed of its own",
        )


def _look(source: ImageSource) -> IntegerImages:
    return source.take(spread(len(source), LOOK_AT))


def _roughness(images: torch.Tensor) -> float:
    """Return the mean difference between values above and beside each other."""
    values = images.float()
    differences = [values.diff(dim=axis).abs() for axis in (-1, -2) if values.shape[axis] > 1]
    return float(torch.stack([each.mean() for each in differences]).mean()) if differences else 0.0


def _between_stretches(images: IntegerImages) -> float:
    """Return the share of the variance between stretches of images, less what chance puts there."""
    size = len(images) // BLOCKS
    features = F.adaptive_avg_pool2d(images[: BLOCKS * size].double(), 4).flatten(1)
    features = features - features.mean(0)
    total = features.square().sum()
    if total == 0:
        return 0.0
    between = size * features.unflatten(0, (BLOCKS, size)).mean(1).square().sum()
    return float(between / total) - (BLOCKS - 1) / (BLOCKS * size - 1)
