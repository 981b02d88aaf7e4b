"""The adversarial term: what it adds to a step, that it disturbs nothing else, and what it is refused for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import flowzoo
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.call import Call
from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.registry.saving import load_model
from flowzoo.training.discriminator import Discriminator
from flowzoo.training.log import TrainingLog
from flowzoo.training.opposed import drawn_images, real_images
from flowzoo.training.resume import resume_run
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import Taken, TrainingStep
from flowzoo.warm_start import WarmStart
from tests.training.conftest import TINY, Start
from tests.training.test_runs import StopAt, assert_same_weights

IMAGES = load_dataset("digits")["train"].take(range(12))
GLOW = {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}}
FIELD = {"name": "conv-field", "hidden": 4, "layers": 2}
HAAR = {"levels": 2, "bijector": {"steps": 1, "network": {"hidden": 4}}}


def model(name: str = "glow", **options: Any) -> flowzoo.Flow:
    """Return a model that has seen data, and whose layers do something."""
    flow = flowzoo.create_model(name, (1, 8, 8), seed=0, bins=17, **(options or GLOW))
    flow.initialise([IMAGES])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in flow.parameters():
            each += 0.05 * torch.randn(each.shape, generator=generator)
    return flow


def step_of(flow: flowzoo.Flow, **training: Any) -> TrainingStep:
    options = parse_training_options(training)
    generator = torch.Generator().manual_seed(0)
    return TrainingStep(flow, plan_stages(flow, options)[0], options, generator, WarmStart(flow))


def gradient(flow: flowzoo.Flow) -> Tensor:
    return torch.cat(
        [torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in flow.parameters()]
    )


@pytest.fixture(scope="module")
def glow() -> flowzoo.Flow:
    return model()


def taken(flow: flowzoo.Flow, **training: Any) -> tuple[Tensor, Taken]:
    """Return the gradient of one step that moves nothing, and what the step found."""
    found = step_of(flow, **training).take(IMAGES, 0.0)
    return gradient(flow), found


def test_the_clipped_gradient_of_the_term_is_added_and_the_sum_is_clipped(glow: flowzoo.Flow) -> None:
    plain, _ = taken(glow)
    opposed, found = taken(glow, adversarial="image", adversarial_weight=1.0)
    assert found.adversarial is not None
    added = opposed - plain
    norm = found.adversarial.gradient_norm
    assert float(added.norm()) == pytest.approx(norm, rel=1e-3)

    half, _ = taken(glow, adversarial="image", adversarial_weight=0.5)
    torch.testing.assert_close(half - plain, added / 2, rtol=1e-3, atol=1e-5)
    clipped, _ = taken(glow, adversarial="image", adversarial_weight=1.0, adversarial_clip=norm / 4)
    torch.testing.assert_close(clipped - plain, added / 4, rtol=1e-3, atol=1e-5)
    short, _ = taken(glow, adversarial="image", adversarial_weight=1.0, clip=0.01)
    torch.testing.assert_close(short, opposed * (0.01 / opposed.norm()), rtol=1e-3, atol=1e-6)


def test_batches_of_one_step_weigh_as_their_images(glow: flowzoo.Flow) -> None:
    """The discriminators' statistics and the noise differ, the sum of shares does not."""
    _, whole = taken(glow, adversarial="image")
    _, parts = taken(glow, adversarial="image", batch_size=5, accumulate=3)
    assert whole.adversarial is not None
    assert parts.adversarial is not None
    assert parts.adversarial.discriminator_loss == pytest.approx(
        whole.adversarial.discriminator_loss, rel=0.2
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("glow", GLOW),
        ("wavelet-flow", {"levels": 1, "bijector": {"name": "spline", "layers": 2}}),
        (
            "glow",
            {
                "levels": 1,
                "last": {"name": "flow-plus-plus", "steps": 1, "network": {"name": "glow-conv", "hidden": 4}},
            },
        ),
        ("mrcnf", TINY | {"bijector": {"blocks": 1, "network": FIELD}}),
        (
            "mrcnf",
            TINY | {"bijector": {"blocks": 1, "network": FIELD, "evaluation_solver": "torchdiffeq-dopri8"}},
        ),
    ],
    ids=["glow", "spline", "flow-plus-plus", "cnf", "torchdiffeq"],
)
def test_gradients_of_samples_are_those_of_finite_differences(name: str, options: dict[str, Any]) -> None:
    flow = model(name, **options).double()
    places = range(len(flow.levels)) if name != "glow" else [0]

    def total() -> Tensor:
        call = Call(generator=torch.Generator().manual_seed(0))
        return torch.stack([x.square().sum() for x in drawn_images(flow, 2, places, range(9), call)]).sum()

    found = torch.autograd.grad(total(), list(flow.parameters()), allow_unused=True)
    parameters = [(p, g) for p, g in zip(flow.parameters(), found, strict=True) if g is not None]
    length = torch.stack([g.square().sum() for _, g in parameters]).sum().sqrt()
    # Adaptive solvers choose other steps on the two sides, within their tolerance.
    size = 1e-4 if name == "mrcnf" else 1e-7
    values = []
    with torch.no_grad():
        for way in (size, -2 * size):
            for parameter, direction in parameters:
                parameter += way * direction / length
            values.append(float(total()))
    assert (values[0] - values[1]) / (2 * size) == pytest.approx(float(length), rel=0.05)


def test_levels_are_compared_with_what_data_look_like_there() -> None:
    flow = model("wavelet-flow", **HAAR)
    call = Call(generator=torch.Generator().manual_seed(0))
    fine, coarse = real_images(flow, IMAGES, [0, 1], call)
    means = torch.nn.functional.avg_pool2d(fine, 2)
    torch.testing.assert_close(coarse, means, rtol=1e-4, atol=1e-4)
    drawn = drawn_images(flow, 3, [0, 1], [1], call)
    assert [tuple(each.shape) for each in drawn] == [(3, 1, 8, 8), (3, 1, 4, 4)]
    torch.testing.assert_close(drawn[1], torch.nn.functional.avg_pool2d(drawn[0], 2), rtol=1e-4, atol=1e-4)
    assert drawn[1].requires_grad


def test_a_level_that_trains_alone_is_the_only_one_that_moves() -> None:
    flow = model("wavelet-flow", **HAAR)
    step = step_of(flow, adversarial="levels", order="separately")  # the coarsest level first
    step.take(IMAGES, 0.0)
    moved = {name.split(".")[1] for name, each in flow.named_parameters() if each.grad is not None}
    assert moved == {"1"}


def test_discriminators_learn_to_tell_samples_from_images() -> None:
    step = step_of(model(), adversarial="image", adversarial_learning_rate=0.01)
    figures = [step.take(IMAGES, 1e-3).adversarial for _ in range(12)]
    assert figures[0] is not None
    assert figures[-1] is not None
    assert figures[-1].discriminator_loss < 0.6 * figures[0].discriminator_loss


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8, 2), (2, 5, 7)])
def test_discriminators_take_images_of_every_shape(shape: tuple[int, int, int]) -> None:
    discriminator = Discriminator(shape)
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    discriminator.see(images[:1])
    discriminator.see(1e6 * images)  # the first images decide
    assert discriminator(images).shape == (3,)
    assert bool(discriminator(images).isfinite().all())


def test_nothing_else_changes(start: Start, tmp_path: Path) -> None:
    """Until the term begins, every draw and every weight is that of a training without it."""
    late = {"adversarial": "levels", "adversarial_start": 0.99}
    asked: dict[str, Any] = {"model": "wavelet-flow", "options": HAAR}
    start(tmp_path / "plain", **asked)
    start(tmp_path / "late", training=late, **asked)
    assert_same_weights(tmp_path / "plain", tmp_path / "late")
    assert not any(name.startswith("adversarial") for name in parse_training_options({}).decisive())


@pytest.mark.parametrize(
    "training",
    [
        {"adversarial": "image", "accumulate": 2, "adversarial_start": 0.4},
        {"adversarial": "levels", "order": "separately"},
    ],
)
def test_a_run_that_is_resumed_ends_like_an_undisturbed_one(
    start: Start, tmp_path: Path, training: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {"model": "wavelet-flow", "options": HAAR, "training": training}
    start(tmp_path / "whole", **asked)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", reporter=StopAt(5), **asked)
    resume_run(tmp_path / "cut", device="cpu")
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    plain = flowzoo.create_model("wavelet-flow", (1, 8, 8), bins=17, **HAAR)
    assert load_model(tmp_path / "cut" / "model").state_dict().keys() == plain.state_dict().keys()


def test_levels_at_the_same_time_have_no_coarse_images_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"coarse images .*Leave parallel"):
        flowzoo.train(
            "wavelet-flow",
            "digits",
            steps=4,
            out=tmp_path / "run",
            options=HAAR,
            training={"adversarial": "levels"},
            parallel="levels",
        )
    assert not (tmp_path / "run").exists()


def test_the_latest_model_is_kept(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits/dim are not all that is minimised, so the lowest ones may be from before the term did anything."""
    opposed = {"adversarial": "image", "schedule": "constant"}
    asked: dict[str, Any] = {"model": "glow", "options": GLOW}
    start(tmp_path / "expected", training=opposed | {"validations": 1}, **asked)
    figures = iter([1.0, 2.0, 3.0])
    monkeypatch.setattr("flowzoo.training.stage.validate", lambda *_, **__: (next(figures), 0.0))
    start(tmp_path / "run", training=opposed | {"validations": 3}, **asked)
    assert_same_weights(tmp_path / "expected", tmp_path / "run")


def test_a_model_with_classes_draws_images_of_the_batch_s_classes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def spy(flow: flowzoo.Flow, count: int, places: Any, trained: Any, call: Call) -> list[Tensor]:
        asked.append(call.labels)
        return drawn_images(flow, count, places, trained, call)

    monkeypatch.setattr("flowzoo.training.adversary.drawn_images", spy)
    start(
        tmp_path / "run",
        1,
        {"adversarial": "image", "validations": 1},
        model="glow",
        options=GLOW | {"classes": 10},
    )
    assert [tuple(each.shape) for each in asked] == [(8,)]


def test_the_logs_have_both_losses(tmp_path: Path) -> None:
    flowzoo.train(
        "glow",
        "digits",
        steps=10,
        out=tmp_path / "run",
        options=GLOW,
        training={"adversarial": "image", "validations": 1, "validation_images": 8, "batch_size": 8},
        log="csv",
        log_samples=0,
    )
    (record,) = [each for each in TrainingLog(tmp_path / "run" / "log.jsonl").read() if "loss" in each]
    (row,) = csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines())
    for name in ("adversarial_loss", "discriminator_loss", "adversarial_gradient_norm"):
        assert float(row[name]) == pytest.approx(record[name])


def test_samples_that_overflow_leave_the_term_out(
    glow: flowzoo.Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = taken(glow)

    def overflow(*given: Any) -> list[Tensor]:
        return [torch.inf * each for each in drawn_images(*given)]

    monkeypatch.setattr("flowzoo.training.adversary.drawn_images", overflow)
    opposed, found = taken(glow, adversarial="image")
    assert torch.equal(opposed, plain)
    assert found.adversarial is None
    assert found.ledger.counts["adversarial terms left out"] == 1.0


def test_samples_that_cannot_be_differentiated_are_refused_by_name(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActNorm, "inverse", torch.no_grad()(ActNorm.inverse))
    with pytest.raises(
        OptionError, match=r"differentiated, and the inverse of .*'glow'.*training.adversarial"
    ) as caught:
        start(tmp_path / "run", training={"adversarial": "image"}, model="glow", options=GLOW)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "options", "training", "message"),
    [
        ("gaussian", {}, {"adversarial": "image"}, "nothing of this model trains"),
        ("glow", {"levels": 2}, {"adversarial": "levels"}, "level 0 .* keeps no smaller image.*=image"),
        ("mrcnf", {"levels": 2}, {"adversarial": "levels"}, "phases .*precondition=null"),
        (
            "mrcnf",
            TINY,
            {"adversarial": "image", "order": "separately"},
            "adversarial=levels or training.order",
        ),
        ("glow", {}, {"adversarial_clip": 3}, "adversarial_clip=3 needs an adversarial term"),
        ("glow", {}, {"adversarial": "image", "adversarial_start": 1}, "adversarial_start"),
    ],
)
def test_what_makes_no_sense_is_refused(
    start: Start, tmp_path: Path, name: str, options: dict[str, Any], training: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        start(tmp_path / "run", training=training, model=name, options=options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
