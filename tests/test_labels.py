"""Labels reach every family of models through the context, and the likelihood given a label is exact."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import flowzoo
from flowzoo.builtin.labelled import Labelled
from flowzoo.call import Call
from flowzoo.data.load import load_dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError, OptionError
from flowzoo.flow import Flow
from flowzoo.perturbation import randomise
from flowzoo.registry.models import create_model, list_models
from flowzoo.registry.saving import load_model, save_model
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.testing import brute_force_log_prob, trial_of

FAMILIES = [name for name in list_models() if name != "gaussian"]
EXACT = [name for name in FAMILIES if name != "msflow-image"]
LABELS = torch.tensor([0, 1, 2, -1])


def made(name: str, **options: Any) -> Flow:
    """Return a small model with three classes after its first pass, with random weights."""
    trial = trial_of("model", name)
    given: Mapping[str, Any] = {"classes": 3, **trial.check.options, **options}
    flow = create_model(name, trial.check.shape, seed=0, **given)
    fit_splits(flow, [torch.arange(flow.dimensions, dtype=torch.float64)] * scored_levels(flow))
    flow.initialise([(images(flow, 64), torch.arange(64) % 3)] * 3)
    randomise(flow, 0)
    return flow


def images(flow: Flow, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (count, *flow.image_shape)
    return torch.randint(0, flow.bins, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module", params=FAMILIES)
def flow(request: pytest.FixtureRequest) -> Flow:
    return made(request.param)


def test_every_family_trains_on_labels_and_uses_them(flow: Flow, tmp_path: Path) -> None:
    flow = copy.deepcopy(flow)
    optimiser = torch.optim.Adam(flow.parameters(), 1e-4)
    batch = images(flow, 6)
    for _ in range(2):
        optimiser.zero_grad()
        flow.training_loss(batch, labels=torch.arange(6) % 3).backward()
        optimiser.step()

    save_model(flow, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    with torch.no_grad():
        found = torch.stack([flow.bits_per_dim(batch, labels=each) for each in (0, 1, 2, None)])
        again = torch.stack([loaded.bits_per_dim(batch, labels=each) for each in (0, 1, 2, None)])

    assert loaded.classes == 3
    assert torch.equal(found, again)
    assert bool((found[:, None] != found[None])[~torch.eye(4, dtype=torch.bool)].all())
    samples = flow.sample(4, seed=0, labels=LABELS)
    others = flow.sample(4, seed=0, labels=[1, 1, 2, -1])
    assert samples.shape == (4, *flow.image_shape)
    assert not torch.equal(samples[0], others[0])
    assert torch.allclose(samples[1:], others[1:], atol=1e-4)


def test_a_label_never_changes_the_images_beside_it(flow: Flow) -> None:
    batch = images(flow, 4)
    with torch.no_grad():
        before = flow.bits_per_dim(batch, indices=range(4), labels=LABELS)
        after = flow.bits_per_dim(batch, indices=range(4), labels=[2, 1, 2, -1])
    assert float((before - after)[0].abs()) > 1e-6
    assert torch.allclose(before[1:], after[1:], atol=1e-6)


def test_no_label_is_the_label_minus_one(flow: Flow) -> None:
    batch = images(flow, 3)
    with torch.no_grad():
        assert torch.equal(flow.bits_per_dim(batch), flow.bits_per_dim(batch, labels=-1))


@pytest.mark.parametrize("name", EXACT)
def test_the_likelihood_given_a_label_is_that_of_the_whole_jacobian(name: str) -> None:
    trial = trial_of("model", name)
    flow = made(name).double()
    x = (images(flow, 4).double() + 0.5) / flow.bins
    expected = brute_force_log_prob(flow, x, LABELS)
    found = flow.log_prob(x, Call().solving(exact=True), labels=LABELS)
    assert torch.allclose(found, expected, rtol=10 * trial.check.tolerance, atol=1e-6)
    assert torch.allclose(flow.decode(flow.encode(x, labels=LABELS), labels=LABELS), x, atol=1e-4)
    assert not torch.allclose(expected[:3], brute_force_log_prob(flow, x)[:3], rtol=1e-4)


def test_labels_are_given_to_what_trains_and_to_nothing_else() -> None:
    options = {"levels": 2, "normalise": "whiten", "last": "gaussian"}
    flow = create_model("wavelet-flow", (1, 8, 8), classes=3, seed=0, **options)
    labelled = [name for name, each in flow.named_modules() if isinstance(each, Labelled)]
    assert labelled == ["levels.0.conditional.inner"], "inside the whitening, and not around the Gaussian"


def test_a_model_without_classes_is_as_it_was() -> None:
    plain = create_model("glow", (1, 4, 4), seed=0)
    assert plain.classes == 0
    assert not any(isinstance(each, Labelled) for each in plain.modules())
    labelled = create_model("glow", (1, 4, 4), seed=0, classes=2)
    assert sum(p.numel() for p in labelled.parameters()) > sum(p.numel() for p in plain.parameters())


def test_a_share_of_the_labels_is_hidden_in_training() -> None:
    seen: list[Tensor] = []
    for share in (0.0, 0.25):
        flow = made("glow", class_dropout=share)
        labelled = next(each for each in flow.modules() if isinstance(each, Labelled))
        labelled.register_forward_pre_hook(lambda module, args: seen.append(args[2].labels))
        flow.training_loss(images(flow, 400), labels=1, generator=torch.Generator().manual_seed(0))
    assert bool((seen[0] == 1).all())
    assert sorted(set(seen[1].tolist())) == [-1, 1]
    assert float((seen[1] == -1).double().mean()) == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize(
    ("labels", "named"),
    [(3, "3"), ([0, 1], "4 images"), ([0, 1, 2, -2], "-2"), (torch.zeros(4), "float"), (["a"] * 4, "labels")],
)
def test_labels_that_do_not_fit_are_refused(labels: Any, named: str) -> None:
    flow = made("glow")
    for call in (flow.bits_per_dim, flow.training_loss):
        with pytest.raises(OptionError, match=named):
            call(images(flow, 4), labels=labels)
    with pytest.raises(OptionError, match=named):
        flow.sample(4, labels=labels)


def test_a_model_without_labels_refuses_them() -> None:
    flow = create_model("glow", (1, 4, 4), seed=0)
    with pytest.raises(OptionError, match="classes"):
        flow.bits_per_dim(images(flow, 2), labels=0)
    with pytest.raises(OptionError, match="classes"):
        flow.sample(2, labels=0)
    with pytest.raises(OptionError, match="gaussian"):
        create_model("gaussian", (1, 4, 4), classes=3)


def test_data_sets_have_labels_in_the_order_of_their_images() -> None:
    from sklearn.datasets import load_digits

    digits, data = load_digits(), load_dataset("digits")
    assert data.info.classes == tuple("0123456789")
    labels = torch.cat([data[split].labels for split in ("train", "validation", "test")])
    assert labels.tolist() == digits.target.tolist()
    assert data["test"].labels_at([5, 0]).tolist() == digits.target[[1505, 1500]].tolist()


def test_training_on_labels_by_name_and_what_is_refused(tmp_path: Path) -> None:
    options = {"classes": 10, "levels": 1, "last": {"name": "glow", "steps": 1}}
    short = {"validation_images": 8, "batch_size": 16, "initial_images": 32}
    flow = flowzoo.train("glow", "digits", steps=1, options=options, training=short, device="cpu")
    assert flow.classes == 10
    with pytest.raises(OptionError, match="classes=10"):
        flowzoo.train("glow", "digits", steps=1, options={**options, "classes": 3}, training=short)
    blank = np.zeros((20, 1, 8, 8), np.uint8)
    with pytest.raises(DataError, match="no labels"):
        flowzoo.train("glow", blank, steps=1, options=options, training=short, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_in_memory_are_checked() -> None:
    given = {"bins": 2, "licence": "none", "source": "here", "pixels": {"name": "affine"}}
    blank = {"train": np.zeros((3, 1, 2, 2), np.uint8)}
    made = in_memory("a", blank, **given, labels={"train": np.array([1, 0, 1])}, classes=("x", "y"))
    assert made["train"].labels is not None
    assert made.info.revision == in_memory("a", blank, **given).info.revision
    for labels in (np.array([1, 0]), np.array([1, 0, 2]), np.array([1.0, 0.0, 1.0])):
        with pytest.raises(DataError, match="label"):
            in_memory("a", blank, **given, labels={"train": labels}, classes=("x", "y"))
