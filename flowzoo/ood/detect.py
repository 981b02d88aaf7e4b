"""Scores that tell a model's own images from others, and how well they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowzoo.data.batches import spread
from flowzoo.data.given import Data
from flowzoo.errors import NumericalError, OptionError
from flowzoo.evaluation.likelihood import EXACT_UP_TO
from flowzoo.evaluation.pilot import calibrate_on_pilot
from flowzoo.flow import Flow
from flowzoo.integers import positive_integer
from flowzoo.loading import load_subject
from flowzoo.ood.measure import ImageFigures, Measure
from flowzoo.ood.others import Other, other_images
from flowzoo.ood.separation import Separation, separation
from flowzoo.seeds import check_seed

Values = NDArray[np.float64]
Count = Callable[[str], Callable[[int, int], None]]


@dataclass(frozen=True)
class Score:
    """How well one score tells the model's own images from those of one other set.

    Attributes:
        name: The score.
        separation: How well it tells them apart.
        own: Scores of the model's own images, ``(N,)``, higher for what is more like the training images.
        other: Scores of the others, ``(M,)``.
    """

    name: str
    separation: Separation
    own: Values = field(repr=False)
    other: Values = field(repr=False)


@dataclass(frozen=True)
class Against:
    """The model's own images against one other set.

    Attributes:
        other: Name of the other set.
        images: Number of its images.
        bits_per_dim: Their mean bits/dim, over those whose likelihood is finite; None if none is.
        not_finite: Number of its images whose likelihood is not finite; they count as the least likely.
        scores: One for each score.
    """

    other: str
    images: int
    bits_per_dim: float | None
    not_finite: int
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Detection:
    """How well a model's scores tell its own images from others.

    Attributes:
        data: Name of the model's own data set.
        split: The split of the model's own images.
        images: Number of these.
        bits_per_dim: Their mean bits/dim, as above.
        training_images: Number of training images, whose mean bits/dim is what is typical.
        training_bits_per_dim: That mean.
        batch: Number of images in a batch, for the typicality of batches.
        against: One for each other set.
        seed: Seed of noise, probes and resamples.
        data_notes: How the images differ from those that the run was started on.
    """

    data: str
    split: str
    images: int
    bits_per_dim: float | None
    training_images: int
    training_bits_per_dim: float
    batch: int
    against: tuple[Against, ...]
    seed: int
    data_notes: tuple[str, ...] = ()


def detect_ood(
    model: str | os.PathLike[str] | Flow,
    against: Other | list[Other] | tuple[Other, ...],
    data: Data | None = None,
    split: str = "test",
    *,
    images: int = 200,
    training_images: int = 200,
    batch: int = 10,
    gradient: bool | None = None,
    exact: bool | None = None,
    fit: bool = False,
    batch_size: int = 100,
    seed: int = 0,
    device: str = "auto",
    data_options: Mapping[str, Any] | None = None,
    counting: Count = lambda what: lambda done, count: None,
) -> Detection:
    """Measure how well scores of a model tell its own images from others.

    Every score is higher for images that are more like the training images. Image by image:

    * ``likelihood``: ``log2 p(a)`` in bits/dim, under one draw of the noise;
    * ``typicality``: minus its distance from its mean over training images;
    * ``typicality of N``: the same for the mean of a batch of N images of one set;
    * ``likelihood + png``, ``likelihood + webp``: ``log2 p(a)`` plus the length of a lossless code, in bits,
      so that simple images are not taken for likely ones;
    * ``level 0`` and on: the share of one level, finest first, where there are several;
    * ``gradient``: minus the norm of the gradient of ``log p`` by the pixels.

    Args:
        model: A model, a run folder or a saved model.
        against: Other sets of images: names of data sets, ``noise``, ``constant``, folders of images, data
            sets or arrays of images, ``(N, C, H, W)``, uint8.
        data: The model's own images; by default those of its run.
        split: Their split.
        images: Number of images of each set, spread evenly over it. No more images are made
            than the split of the model's own images has.
        training_images: Number of training images that show what is typical.
        batch: ``N``, images in a batch. Batches need at least two of them in each set, and are left out
            otherwise.
        gradient: Compute gradients. None: unless the model solves ODEs, where they take long.
        exact: As :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood` takes it.
        fit: Scale images of another shape or number of bins to those of the model.
        batch_size: Number of images at once.
        seed: Seed of noise, probes, made images and resamples.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        data_options: Options of ``data``.
        counting: Called with what is being measured; its result is called with the images done, and all.

    Raises:
        ShapeError: Images have another shape than the model's, and ``fit`` is not set.
        OptionError: An argument is out of range, or nothing is named to compare with.
        NumericalError: No training image has a finite likelihood.
        FlowzooError: As :func:`flowzoo.evaluate`.

    References:
        Typicality: Nalisnick et al., "Detecting Out-of-Distribution Inputs to Deep Generative Models Using
        Typicality", 2019. Complexity: Serra et al., "Input Complexity and Out-of-Distribution Detection with
        Likelihood-Based Generative Models", 2020. Gradients: Grathwohl et al., "Your Classifier is Secretly
        an Energy Based Model and You Should Treat It Like One", 2020. All of them beside multi-resolution
        flows: Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024.
    """
    seed = check_seed(seed)
    images = positive_integer("images", images)
    training_images = positive_integer("training_images", training_images)
    batch = positive_integer("batch", batch)
    batch_size = positive_integer("batch_size", batch_size)
    others = [*against] if isinstance(against, list | tuple) else [against]
    if not others:
        raise OptionError("name at least one other set of images, such as --against noise")
    subject = load_subject(model, data, data_options, device)
    flow, dataset = subject.flow, subject.data.dataset
    own_source = dataset.split(split)
    found_others = [other_images(each, flow, min(images, len(own_source)), fit, seed) for each in others]
    use_exact = flow.dimensions <= EXACT_UP_TO if exact is None else exact
    with_gradient = not flow.solves if gradient is None else gradient
    warm_start = calibrate_on_pilot(flow, own_source, len(own_source), seed, use_exact)
    measure = Measure(flow, warm_start, seed, use_exact, batch_size)

    training = dataset.split("train")
    typical = measure.images(
        training, spread(len(training), training_images), False, False, counting("training images")
    ).bits
    own = measure.images(
        own_source, spread(len(own_source), images), with_gradient, True, counting(f"{split} images")
    )
    mean = _mean(typical)
    if mean is None:
        raise NumericalError(
            "no training image has a finite likelihood. Check the data and the model's training log"
        )

    def compared(name: str, other: ImageFigures) -> Against:
        pairs = [_scores(each, mean, batch, flow.dimensions, seed) for each in (own, other)]
        return Against(
            name,
            len(other.bits),
            _mean(other.bits),
            int((~np.isfinite(other.bits)).sum()),
            tuple(
                Score(
                    score,
                    separation(pairs[0][score], pairs[1][score], seed),
                    *(each[score] for each in pairs),
                )
                for score in pairs[0]
                if score in pairs[1]
            ),
        )

    return Detection(
        data=dataset.info.name,
        split=split,
        images=len(own.bits),
        bits_per_dim=_mean(own.bits),
        training_images=len(typical),
        training_bits_per_dim=mean,
        batch=batch,
        against=tuple(
            compared(
                name,
                measure.images(
                    source,
                    spread(len(source), images),
                    with_gradient,
                    True,
                    counting(f"images of {name}"),
                ),
            )
            for name, source in found_others
        ),
        seed=seed,
        data_notes=tuple(note for each, note in subject.data.changes.items() if each in (split, "train")),
    )


def _scores(found: ImageFigures, typical: float, batch: int, dimensions: int, seed: int) -> dict[str, Values]:
    scores = {"likelihood": -found.bits, "typicality": -np.abs(found.bits - typical)}
    batches = len(found.bits) // batch
    if batch > 1 and batches > 1:
        order = np.random.default_rng(seed).permutation(len(found.bits))[: batches * batch]
        means = found.bits[order].reshape(batches, batch).mean(1)
        scores[f"typicality of {batch}"] = -np.abs(means - typical)
    for code, lengths in found.lengths.items():
        scores[f"likelihood + {code}"] = lengths - dimensions * found.bits
    if len(found.levels) > 1:
        scores |= {f"level {place}": -bits for place, bits in enumerate(found.levels)}
    if found.gradient is not None:
        scores["gradient"] = -found.gradient
    return scores


def _mean(bits: Values) -> float | None:
    finite = bits[np.isfinite(bits)]
    return float(finite.mean()) if len(finite) else None
