"""Figures of models with classes: bits/dim given the class of an image, and the class by Bayes' rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import Dataset, ImageSource
from flowzoo.errors import DataError
from flowzoo.evaluation.density.audit import SECONDS, audit_density
from flowzoo.evaluation.density.figure import Figure
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.notes import stated
from flowzoo.evaluation.pilot import calibrate_on_pilot
from flowzoo.flow import Flow
from flowzoo.integers import positive_integer
from flowzoo.origin import naming_the_component
from flowzoo.seeds import check_seed
from flowzoo.solving import Solving
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart

AUDIT_SHARE = 0.5
"""Time of the density audit given the class, as a share of the other one's: it judges the same parts."""


@dataclass(frozen=True)
class GivenClass:
    """Figures of a model with classes on images with labels.

    Attributes:
        bits_per_dim: Mean bits/dim of images given their own class. It says nothing of how likely the class
            is, so it is never compared with bits/dim of images.
        standard_error: Standard error of it.
        summed_bits_per_dim: Mean bits/dim of the images by ``p(x) = sum over y of p(y) p(x | y)``, which is
            a density of images without labels again. None where a log-determinant is an estimate, whose
            noise would inflate the sum.
        accuracy: Share of the images whose class is the most likely one by Bayes' rule:
            ``log p(y | x) = log p(x | y) + log p(y) + const``.
        accuracy_error: Standard error of it.
        images: Number of images.
        classes: Number of classes among which the rule chooses: those of the images to train on.
        trace: ``exact``, or how it was estimated; empty for models that compute it in closed form.
        density: The outcome of the density audit of ``p(x | y)``, on images given their own class; None
            where it was left out.
    """

    bits_per_dim: float
    standard_error: float
    summed_bits_per_dim: float | None
    accuracy: float
    accuracy_error: float
    images: int
    classes: int
    trace: str
    density: DensityAudit | None = None


def has_labels(flow: Flow, dataset: Dataset, split: str) -> bool:
    """Whether a model has classes, and a data set the labels of them."""
    known = 0 < len(dataset.info.classes) <= flow.classes
    sources = (dataset.splits.get(name) for name in ("train", split))
    return known and all(source is not None and source.labels is not None for source in sources)


@torch.no_grad()
@naming_the_component()
def evaluate_given_class(
    flow: Flow,
    dataset: Dataset,
    split: str = "test",
    *,
    exact: bool = False,
    limit: int | None = None,
    batch_size: int = 100,
    seed: int = 0,
    audit: bool = False,
    audit_seconds: float = AUDIT_SHARE * SECONDS,
    progress: Callable[[int, int], object] = lambda done, total: None,
    audit_progress: Callable[[float], object] = lambda share: None,
) -> GivenClass:
    """Measure the bits/dim of images given their class, and how often Bayes' rule finds the class.

    Each image goes through the model once for each class, under the same noise and probes. ``p(y)`` is the
    share of a class in the images to train on.

    Args:
        flow: A model with classes.
        dataset: Images with labels.
        split: The split to measure on.
        exact: Request exact log-determinants, instead of the model's own settings. For a continuous flow that
            takes very long, and the estimates of an image for all classes have the same probes.
        limit: Use the first images only.
        batch_size: Number of images at once.
        seed: Seed of noise and probes, by image.
        audit: Check that ``p(x | y)`` is a density, on a few images given their own class
            (:mod:`flowzoo.evaluation.density`).
        audit_seconds: Approximate time that this may spend on Jacobians.
        progress: Called with the number of images that are done, and the number of all.
        audit_progress: Called with the share of the audit that is done.

    Raises:
        DataError: The model has no classes, or the images have no labels of them.
        OptionError: An argument is out of range.
    """
    if not has_labels(flow, dataset, split):
        raise DataError(
            f"bits/dim given the class need a model with classes and images with labels. The model has "
            f"{flow.classes} classes, and the images of {dataset.info.name} have labels of "
            f"{len(dataset.info.classes)}. Train with classes on images with labels"
        )
    seed = check_seed(seed)
    limit = None if limit is None else positive_integer("limit, how many images to use,", limit)
    ledger = Ledger()
    source, prior = dataset.split(split), _log_prior(dataset, flow.classes)
    known = prior.isfinite().nonzero().flatten().tolist()
    count = len(source) if limit is None else min(limit, len(source))

    def bits(indices: list[int], labels: Tensor, warm_start: WarmStart) -> Tensor:
        call = Call(
            generator=per_image_generators(seed, indices),
            ledger=ledger,
            solver=Solving(exact=exact, warm_start=warm_start),
        )
        return flow.bits_per_dim(source.take(indices), call, labels=labels).double().cpu()

    warm_start = calibrate_on_pilot(flow, source, count, seed, exact, given_class=True)
    own: list[Tensor] = []
    right: list[Tensor] = []
    summed: list[Tensor] = []
    for indices, _ in sequential_batches(source, batch_size, limit):
        places, labels = list(indices), _labels(source, list(indices))
        by_class = torch.full((len(places), flow.classes), math.inf, dtype=torch.float64)
        for number in known:
            by_class[:, number] = bits(places, torch.full_like(labels, number), warm_start)
        own.append(by_class.gather(1, labels[:, None])[:, 0])
        log_joint = prior - by_class * (flow.dimensions * math.log(2.0))
        summed.append(nats_to_bits(-log_joint.logsumexp(1), flow.dimensions))
        right.append(log_joint.argmax(1) == labels)
        progress(indices.stop, count)
    found, hits = torch.cat(own), torch.cat(right).double()
    accuracy = float(hits.mean())
    density = None
    if audit:
        figure = Figure(
            flow=flow,
            source=source,
            bits=found,
            importance_samples=1,
            measure=lambda copied, images, call: copied.bits_per_dim(images, call),
            seed=seed,
            exact=exact,
            warm_start=warm_start,
            solved=flow.solves,
            estimated=ledger.estimated,
            given_class=True,
        )
        density = audit_density(figure, audit_seconds, audit_progress)
    return GivenClass(
        bits_per_dim=float(found.mean()),
        standard_error=float(found.std()) / math.sqrt(count) if count > 1 else 0.0,
        summed_bits_per_dim=None if ledger.estimated else float(torch.cat(summed).mean()),
        accuracy=accuracy,
        accuracy_error=math.sqrt(accuracy * (1.0 - accuracy) / count),
        images=count,
        classes=len(known),
        trace=stated(ledger, "trace"),
        density=density,
    )


def _labels(source: ImageSource, indices: list[int]) -> Tensor:
    labels = source.labels_at(indices)
    assert labels is not None, "only images with labels are measured"
    return labels


def _log_prior(dataset: Dataset, classes: int) -> Tensor:
    """Return the log of each class's share of the images to train on, ``(classes,)``."""
    labels = dataset.split("train").labels
    assert labels is not None, "only images with labels are measured"
    return (torch.bincount(labels, minlength=classes).double() / len(labels)).log()
