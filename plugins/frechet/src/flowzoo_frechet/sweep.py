"""Quality of samples against their temperature, for all levels together or for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from flowzoo.api import (
    HIGHEST_TEMPERATURE,
    Dataset,
    Flow,
    NumericalError,
    OptionError,
    quantise,
    sequential_batches,
)
from flowzoo_frechet.feature_metric import BATCH
from flowzoo_frechet.features import FeatureRows, Features
from flowzoo_frechet.quality import Quality, quality_beside

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Row:
    """One temperature.

    Attributes:
        level: The level whose latents have the temperature, 0 being the finest, while those of others have 1;
            None for all levels.
        temperature: The temperature.
        quality: The figures; None if an image could not be drawn.
        remark: Why there are none.
    """

    level: int | None
    temperature: float
    quality: Quality | None
    remark: str = ""


def sweep(
    flow: Flow,
    dataset: Dataset,
    features: Features,
    temperatures: Sequence[float],
    levels: Sequence[int | None] = (None,),
    *,
    images: int = 500,
    seed: int = 0,
    progress: Progress = lambda done, count: None,
) -> list[Row]:
    """Measure samples at several temperatures.

    All temperatures scale the same noise, so that neighbouring figures differ by the temperature alone.

    Args:
        flow: The model.
        dataset: The real images; those of the split ``test`` are compared with.
        features: The network in whose features images are compared.
        temperatures: The temperatures.
        levels: Levels to scale alone, one after another; None for all levels together.
        images: Number of samples, and of test images.
        seed: Seed of the samples.
        progress: Called with the number of temperatures that are done, and of all.

    Raises:
        OptionError: A temperature is out of range, or there is no such level.
    """
    check_temperatures(temperatures)
    for level in levels:
        if level is not None and not 0 <= level < len(flow.levels):
            raise OptionError(
                f"there is no level {level}: the model has {len(flow.levels)}, 0 being the finest"
            )
    test = dataset.split("test")
    count = min(images, len(test))
    quality = quality_beside(features, (batch for _, batch in sequential_batches(test, BATCH, count)))
    rows = []
    planned = [(level, each) for level in levels for each in temperatures]
    for done, (level, temperature) in enumerate(planned):
        progress(done, len(planned))
        rows.append(_row(flow, features, quality, level, temperature, count, seed))
    progress(len(planned), len(planned))
    return rows


def check_temperatures(temperatures: Sequence[float]) -> None:
    """Refuse temperatures that are out of range.

    Raises:
        OptionError: One is. At 0 all samples of a model are the same, which have no distance.
    """
    for each in temperatures:
        if not 0.0 < each <= HIGHEST_TEMPERATURE:
            raise OptionError(f"temperature {each:g}: it must be above 0 and at most {HIGHEST_TEMPERATURE:g}")


def _row(
    flow: Flow,
    features: Features,
    quality: Callable[[FeatureRows], Quality],
    level: int | None,
    temperature: float,
    count: int,
    seed: int,
) -> Row:
    by_level = [temperature if level in (None, place) else 1.0 for place in range(len(flow.levels))]
    try:
        batches = flow.sample_batches(count, by_level[::-1], seed, BATCH)
        drawn = torch.cat([features(quantise(each.cpu(), flow.bins)) for each in batches])
        return Row(level, temperature, quality(drawn))
    except NumericalError as error:
        return Row(level, temperature, None, str(error))
