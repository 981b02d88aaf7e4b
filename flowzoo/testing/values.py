"""Checks of a data set's values: their number, their layout and their order."""

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
"""Smallest number of images whose values can be judged."""

LOOK_AT = 2000
"""Number of images of a split whose layout and order are judged, evenly spread and in their order."""

SMOOTHER = 0.8
"""Another layout is probably the true one if it reduces the differences of neighbours to this fraction."""

BLOCKS = 10
"""Number of stretches of a split that are compared with each other."""

MOST_EXPLAINED = 0.1
"""Fraction of the images' variance that may lie between stretches, beyond chance. Real sets have 0.02 at
most, and those sorted by their class 0.2 and more."""


def uses_its_bins(trial: Trial) -> None:
    """The values use the stated number of bins: they are not cut fractions or on another scale."""
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
        f"every value is {used[0]}, as if fractions in [0, 1) had been cut to integers; scale them to "
        f"0..{bins - 1}",
    )
    step = math.gcd(*used)
    require(
        step == 1,
        f"all values are multiples of {step}, so most of the {bins} bins cannot occur; divide the values by "
        f"{step} and state bins={used[-1] // step + 1}",
    )
    # A number of bins other than 256 comes from the data. Bytes need not use their largest value.
    reached = used[-1] >= bins // 2 if bins == 256 else used[-1] == bins - 1
    require(
        reached,
        f"no value is above {used[-1]}, and {bins} bins are stated; state bins={used[-1] + 1}, or scale the "
        "values to the bins",
    )


def has_its_layout(trial: Trial) -> None:
    """The layout is right: no other layout of the same numbers gives smoother images."""
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
            f"its values look like {name}: then neighbours differ by {found:.1f} on average, but by "
            f"{stated:.1f} as (channels, height, width); transpose the images when they are read",
        )


def comes_mixed(trial: Trial) -> None:
    """A split's first images are like its others, since validation uses the first ones."""
    dataset = load(trial)
    for split in SPLITS:
        images = _look(dataset.split(split))
        if len(images) < FEWEST:
            continue
        share = _between_stretches(images)
        require(
            share <= MOST_EXPLAINED,
            f"split '{split}' seems to be sorted: {share:.0%} of the variance of its images depends on their "
            "place in it, as if classes came one after another; shuffle it once, with a fixed seed",
        )


def _look(source: ImageSource) -> IntegerImages:
    return source.take(spread(len(source), LOOK_AT))


def _roughness(images: torch.Tensor) -> float:
    """Return the mean difference between values above and beside each other."""
    values = images.float()
    differences = [values.diff(dim=axis).abs() for axis in (-1, -2) if values.shape[axis] > 1]
    return float(torch.stack([each.mean() for each in differences]).mean()) if differences else 0.0


def _between_stretches(images: IntegerImages) -> float:
    """Return the fraction of the variance between stretches of images, minus what is expected by chance."""
    size = len(images) // BLOCKS
    features = F.adaptive_avg_pool2d(images[: BLOCKS * size].double(), 4).flatten(1)
    features = features - features.mean(0)
    total = features.square().sum()
    if total == 0:
        return 0.0
    between = size * features.unflatten(0, (BLOCKS, size)).mean(1).square().sum()
    return float(between / total) - (BLOCKS - 1) / (BLOCKS * size - 1)
