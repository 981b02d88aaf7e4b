"""Bits/dim given the class, and the class by Bayes' rule, are those of the definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from flowzoo.bench.metrics.labels import BitsPerDimGivenClass, ClassAccuracy
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.labelled import Labelled
from flowzoo.call import EVALUATION, Call, per_image_generators
from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError
from flowzoo.evaluation.labels import evaluate_given_class, has_labels
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.metric import Trained
from flowzoo.registry.models import create_model
from flowzoo.shapes import Images, PerImage

TINY = {"levels": 1, "last": {"name": "conditional-affine", "network": {"hidden": 4}}}


def labelled(counts: tuple[int, ...]) -> Dataset:
    """Return grey images of 2x2 pixels, dark ones of class 0 and light ones of class 1, with noise."""
    rng = np.random.default_rng(0)

    def images(labels: np.ndarray) -> np.ndarray:
        return (60 + 120 * labels[:, None, None, None] + rng.integers(0, 50, (len(labels), 1, 2, 2))).astype(
            np.uint8
        )

    labels = {"train": np.repeat(np.arange(len(counts)), counts), "test": np.arange(40) % 2}
    return in_memory(
        "labelled",
        {split: images(each) for split, each in labels.items()},
        bins=256,
        licence="none",
        source="here",
        pixels={"name": "affine"},
        labels=labels,
        classes=("dark", "light", "none")[: len(counts)],
    )


def trained_on(data: Dataset, classes: int) -> Flow:
    flow = create_model("glow", (1, 2, 2), seed=0, classes=classes, class_dropout=0.0, **TINY)
    images = data["train"].take(range(len(data["train"])))
    flow.initialise([(images, data["train"].labels)])
    optimiser = torch.optim.Adam(flow.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        flow.training_loss(images, labels=data["train"].labels).backward()
        optimiser.step()
    return flow


@pytest.fixture(scope="module")
def data() -> Dataset:
    return labelled((60, 20))


@pytest.fixture(scope="module")
def flow(data: Dataset) -> Flow:
    return trained_on(data, 2)


def test_the_figures_are_those_of_the_definition(flow: Flow, data: Dataset) -> None:
    found = evaluate_given_class(flow, data, batch_size=7)

    x = flow.dequantise(data["test"][:], _call(40)).x
    with torch.no_grad():
        given = torch.stack([flow.log_prob(x, labels=label) for label in (0, 1)], dim=1).double()
    labels = data["test"].labels
    assert labels is not None
    own = given.gather(1, labels[:, None])[:, 0]
    bits = 8.0 - own / (4 * math.log(2.0))
    posterior = given + torch.tensor([0.75, 0.25]).log()
    assert found.bits_per_dim == pytest.approx(float(bits.mean()), abs=1e-5)
    assert found.standard_error == pytest.approx(float(bits.std()) / math.sqrt(40), abs=1e-5)
    summed = 8.0 - posterior.logsumexp(1) / (4 * math.log(2.0))
    assert found.summed_bits_per_dim == pytest.approx(float(summed.mean()), abs=1e-5)
    assert found.accuracy == float((posterior.argmax(1) == labels).double().mean())
    assert found.accuracy > 0.9, "dark and light are easy to tell apart"
    assert (found.images, found.classes) == (40, 2)


def _call(count: int):
    from flowzoo.call import Call

    return Call(generator=per_image_generators(0, range(count)))


def test_labels_that_say_nothing_are_told_by_the_prior_alone(data: Dataset) -> None:
    flow = create_model("glow", (1, 2, 2), seed=0, classes=2, **TINY)
    flow.initialise([data["train"][:]])  # its networks end in zeros, so that no label changes anything
    assert evaluate_given_class(flow, data).accuracy == 0.5, (
        "every image is taken for the more frequent class"
    )


def test_a_class_without_images_to_train_on_is_never_chosen() -> None:
    data = labelled((30, 30, 0))
    flow = create_model("glow", (1, 2, 2), seed=0, classes=5, **TINY)
    flow.initialise([data["train"][:]])
    assert evaluate_given_class(flow, data).classes == 2


def test_what_has_no_labels_is_refused(flow: Flow, data: Dataset) -> None:
    plain = create_model("glow", (1, 2, 2), seed=0, **TINY)
    blank = replace(data, info=replace(data.info, classes=()))
    for model, images in ((plain, data), (flow, blank)):
        assert not has_labels(model, images, "test")
        with pytest.raises(DataError, match="labels"):
            evaluate_given_class(model, images)


class Flattering(Affine):
    """States a log-determinant that is too high by 3 nats for images of class 1."""

    traits = replace(Affine.traits, classes=2)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        y, log_det = super().forward(x, context, call)
        labels = torch.full((len(x),), -1) if call.labels is None else call.labels
        return y, log_det + 3.0 * (labels == 1)


def test_a_density_that_is_wrong_for_a_class_alone_fails_the_audit(data: Dataset) -> None:
    whole = Level(IdentityTransform(), Flattering(), KeepNothing(), Labelled(Affine(scale=2.0), 2))
    flow = Flow((1, 2, 2), [whole], Affine())
    density = evaluate_given_class(flow, data, audit=True).density
    assert density is not None
    assert "log_det off by +1.08 bits/dim in level 0, joint" in density.objections[0]
    without = evaluate_likelihood(flow, data["test"]).density
    assert without is not None
    assert without.passed
    right = Flow(
        (1, 2, 2), [Level(IdentityTransform(), Affine(), KeepNothing(), whole.conditional)], Affine()
    )
    passed = evaluate_given_class(right, data, audit=True).density
    assert passed is not None
    assert (passed.passed, passed.method, passed.budget) == (True, "whole", 10.0)


@pytest.mark.parametrize("metric", [BitsPerDimGivenClass(images=10), ClassAccuracy(images=10)])
def test_metrics_of_labels(flow: Flow, data: Dataset, metric: BitsPerDimGivenClass | ClassAccuracy) -> None:
    def measure(model: Flow, steps: Callable[[float, str], object] = lambda *_: None):
        trained = Trained(model, data, {}, (), steps=1, seconds=1.0, seed=0, progress=steps)
        return metric.measure(trained)

    shares: list[float] = []
    found = measure(flow, lambda share, what: shares.append(share))
    expected = evaluate_given_class(flow, data, limit=10)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    if isinstance(metric, ClassAccuracy):
        assert (found.value, found.unit, found.better) == (100 * expected.accuracy, "%", "higher")
        assert found.valid
    else:
        assert (found.value, found.valid) == (expected.bits_per_dim, False)
        assert found.conditions["density"]["passed"]
    plain = create_model("glow", (1, 2, 2), seed=0, **TINY)
    assert measure(plain).value is None
