"""Checks of metrics, on a tiny model with the log of a training of a few steps."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar, get_args

import torch
from torch import Tensor

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.data.dataset import SPLITS, Dataset, ImageSource
from flowzoo.data.memory import in_memory
from flowzoo.dequantisation import dequantise
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.metric import Better, Measurement, Metric, Trained
from flowzoo.perturbation import randomise
from flowzoo.shapes import Shape
from flowzoo.testing.draws import global_state_left_alone, global_states, scrambled
from flowzoo.testing.elsewhere import Elsewhere, MixedDevices, other_device
from flowzoo.testing.result import CheckFailed, PassedWithNote, require
from flowzoo.testing.trial import Trial

T = TypeVar("T")

BINS = 17
"""Fewer bins than bytes have, and an odd number, so that code that assumes bytes is found."""

_NEAR = 0.3
"""Two figures that differ by less than this, in bits/dim, count as the same."""

IMAGES = 48
"""Number of images in each split."""

TRAINING: Mapping[str, Any] = {
    "batch_size": 8,
    "accumulate": 1,
    "optimiser": "adam",
    "weight_decay": 0.0,
    "learning_rate": 1e-3,
    "warmup": 100,
    "warmup_share": None,
    "schedule": "cosine",
    "precision": "float32",
    "compile": False,
    "clip": 100.0,
    "adversarial": None,
    "adversarial_weight": 0.1,
    "adversarial_learning_rate": 1e-3,
    "adversarial_start": 0.0,
    "adversarial_clip": 50.0,
    "average": 0.999,
    "order": "jointly",
    "clock": "wall",
    "scoring": 0.1,
    "scoring_images": 16,
    "initial_images": 48,
    "validations": 3,
    "validation_images": 16,
    "validation_batch_size": 16,
}
"""All options of the training. The kit does not import the training code."""

LOG: tuple[Mapping[str, Any], ...] = (
    {"step": 0, "seconds": 0.1, "stage": "all levels", "loss": 5.0},
    {"step": 2, "seconds": 0.4, "stage": "all levels", "validation_bits_per_dim": 4.5},
    {"step": 4, "seconds": 0.8, "stage": "all levels", "validation_bits_per_dim": 4.2},
    {"step": 6, "seconds": 1.2, "stage": "all levels", "validation_bits_per_dim": 4.1},
)


def tiny_trained(shape: Shape, bins: int = BINS, seed: int = 0) -> Trained:
    """Return a model of two levels that needs no plugin, with what a metric gets of its training.

    Args:
        shape: ``(C, H, W)`` of its images, with an even height and width.
        bins: How many integers a value of the images can take.
        seed: Seed of its weights and images.
    """
    dataset = _smooth_images(shape, bins, seed)
    coarse = shape[0]
    levels = [
        Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), ActNorm(3 * coarse)),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), ActNorm(coarse)),
    ]
    flow = Flow(shape, levels, Affine(2.0, -1.0), bins)
    flow.initialise([dequantise(_all(dataset.split("train")), bins)])
    randomise(flow, seed)
    return Trained(flow, dataset, dict(TRAINING), LOG, steps=6, seconds=1.3, seed=3)


def measures_a_model(trial: Trial) -> None:
    """A trained model goes in, and a measurement comes out."""
    _measure(trial)


def gives_a_figure_or_says_why_not(trial: Trial) -> None:
    """Figure and error are finite. If there is no figure, or it must not be ranked, objections say why."""
    found = _measure(trial)
    if found.value is None:
        require(bool(found.objections), "the value is None, but no objection says why")
    else:
        _require_number("value", found.value)
    if found.error is not None:
        _require_number("error", found.error)
        require(found.error >= 0, f"error is {found.error}, expected at least 0")
    require(
        found.valid == (not found.objections),
        f"valid is {found.valid} with the objections {list(found.objections)}; "
        "a figure is valid if there are none",
    )


def states_its_unit(trial: Trial) -> None:
    """The unit is a word or empty, and it is clear which figures are better."""
    found = _measure(trial)
    is_text = isinstance(found.unit, str)
    require(is_text and found.unit == found.unit.strip(), f"unit is {found.unit!r}, expected text or ''")
    known = get_args(Better)
    require(
        found.better in known, f"better is {found.better!r}, expected one of {', '.join(map(repr, known))}"
    )


def is_plain_data(trial: Trial) -> None:
    """The conditions and details of the figure survive JSON, so that a record can hold them."""
    found = asdict(_measure(trial))
    for field in ("conditions", "details"):
        value = found[field]
        try:
            read = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            require(False, f"{field} cannot be written as JSON: {error}")
        require(read == value, f"{field} is {value}, and {read} after it was written as JSON and read again")
        require(all(value), f"{field} has an empty name")


def repeats_itself(trial: Trial) -> None:
    """A metric that declares that it repeats gives the same figure again, whatever the global random state.

    This includes one object that measures twice: it must keep nothing of the model before.
    """
    metric = _build(trial)
    found = []
    for seed, measuring in ((1, metric), (2, _build(trial)), (3, metric)):
        with scrambled(seed):
            found.append(_measure(trial, measuring))
    first = found[0]
    for other, again in zip(found[1:], ("a second one", "the first one again"), strict=True):
        require(first.repeats == other.repeats, "its field repeats differs between two measurements")
        require(
            not first.repeats or first == other,
            f"it declares repeats=True, but returns {first} and then, {again}, {other}",
        )


def leaves_global_state_alone(trial: Trial) -> None:
    """Measuring neither draws from a global random state nor sets it."""
    states = []
    for seed in (1, 2):
        with scrambled(seed):
            _measure(trial)
            states.append(global_states())
    for library, state in states[0].items():
        require(state != states[1][library], f"measuring sets the global random state of {library}")

    def guarded(trained: Trained) -> None:
        metric = _build(trial)
        with global_state_left_alone("measuring"):
            metric.measure(trained)

    _try_on(trial, guarded)


def leaves_the_model_alone(trial: Trial) -> None:
    """The model, its mode, its parameters, the data and the record of the training stay as they were."""

    def compared(trained: Trained) -> None:
        before = _noted(trained)
        _build(trial).measure(trained)
        for what, value in _noted(trained).items():
            unchanged = value == before[what]
            require(unchanged, f"measuring changes {what}; work on a copy: copy.deepcopy(trained.flow)")

    _try_on(trial, compared)


def assumes_no_bins(trial: Trial) -> None:
    """Nothing is computed as if the data had 256 bins. A metric for 256 bins only refuses other numbers."""
    trained = tiny_trained(trial.check.shape, BINS, trial.seed)
    seen: list[Tensor] = []
    trained.flow.pixels.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    try:
        found = _build(trial).measure(trained)
    except FlowzooError:
        _measure(trial)
        return
    known = {each for split in SPLITS for each in _digests(_all(trained.dataset.split(split)))}
    for x in seen:
        for name, values in (("256", (256 * x).floor()), ("255", (255 * x).round())):
            as_bytes = values.clamp(0, 255).to(torch.uint8)
            require(
                not known & set(_digests(as_bytes)),
                f"it divides the images by {name}, but they have {BINS} bins; use flow.bits_per_dim, or "
                "dequantise(images, flow.bins), or raise a FlowzooError if there are not 256 bins",
            )
    if found.value is not None and "bits" in found.unit:
        off = math.log2(256 / BINS)
        for split in SPLITS:
            with torch.no_grad():
                own = float(trained.flow.bits_per_dim(_all(trained.dataset.split(split))).mean())
            require(
                abs(found.value - own - off) > _NEAR,
                f"it gives {found.value:.3f} {found.unit}: the model's {own:.3f} bits/dim of '{split}' "
                f"images plus log2(256 / {BINS}), as if they had 256 bins; use flow.bins",
            )


def runs_elsewhere(trial: Trial) -> None:
    """It measures a model on another device than the CPU. The device is simulated if there is none.

    See :mod:`flowzoo.testing.elsewhere`. Operations that such a device lacks are no finding. Tensors that
    are on the CPU beside those of the model are, and so is NumPy given a tensor of another device.
    """

    def on_the_cpu(trained: Trained) -> tuple[Measurement, int]:
        return _build(trial).measure(trained), trained.flow.bins

    expected, bins = _try_on(trial, on_the_cpu)
    trained = tiny_trained(trial.check.shape, bins, trial.seed)
    with other_device():
        trained.flow._apply(Elsewhere)  # type: ignore[no-untyped-call]  # torch's
        try:
            found = _build(trial).measure(trained)
        except FlowzooError as refusal:
            raise PassedWithNote(f"not tried on another device than the CPU: {refusal}") from refusal
        except MixedDevices as error:
            raise CheckFailed(
                f"with the model on another device than the CPU, {error}; make tensors on trained.flow.device"
            ) from error
        except (NotImplementedError, RuntimeError, TypeError) as error:
            require("numpy" not in str(error), f"with the model on another device than the CPU: {error}")
            raise PassedWithNote(f"not tried on another device than the CPU: {error!r:.100}") from error
    if expected.repeats and expected.value is not None:
        value = math.nan if found.value is None else found.value
        both = math.isnan(value) and math.isnan(expected.value)
        same = both or math.isclose(value, expected.value, rel_tol=1e-3, abs_tol=1e-5)
        require(same, f"it gives {expected.value} on the CPU, but {found.value} on another device")


def _build(trial: Trial) -> Metric:
    metric = trial.build()
    if not isinstance(metric, Metric):
        raise CheckFailed(f"the builder returned a {type(metric).__name__}, expected a Metric")
    return metric


def _measure(trial: Trial, metric: Metric | None = None) -> Measurement:
    found = _try_on(trial, (metric or _build(trial)).measure)
    require(isinstance(found, Measurement), f"measure returned a {type(found).__name__}")
    return found


def _try_on(trial: Trial, act: Callable[[Trained], T]) -> T:
    """Call a function with a model of few bins or, if the metric refuses that, with one of 256.

    Raises:
        PassedWithNote: The metric refuses both; the message is that for 256.
    """
    try:
        return act(tiny_trained(trial.check.shape, BINS, trial.seed))
    except FlowzooError:
        try:
            return act(tiny_trained(trial.check.shape, 256, trial.seed))
        except FlowzooError as refusal:
            raise PassedWithNote(f"not tried, since it refuses the kit's tiny model: {refusal}") from refusal


def _noted(trained: Trained) -> dict[str, Any]:
    """Return what a metric must not change, in a form that can be compared."""
    flow = trained.flow
    modules = dict(flow.named_modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "the model's modules": {name: id(each) for name, each in modules.items()},
        "the model's parameters": {name: id(each) for name, each in flow.named_parameters()},
        "the model's weights": {name: _hash(each) for name, each in flow.state_dict().items()},
        "the model's dtype or device": {
            name: (each.dtype, each.device) for name, each in flow.state_dict().items()
        },
        "the model's mode, train() or eval()": {name: each.training for name, each in modules.items()},
        "which parameters require gradients": {
            name: each.requires_grad for name, each in flow.named_parameters()
        },
        "hooks on the model": {
            name: [len(getattr(each, hook)) for hook in hooks] for name, each in modules.items()
        },
        "the model's number of bins": flow.bins,
        "the images": [_digests(_all(trained.dataset.split(split))) for split in SPLITS],
        "the options of the training": dict(trained.training),
        "the training log": [dict(each) for each in trained.log],
    }


def _hash(tensor: Tensor) -> bytes:
    return hashlib.blake2b(tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()).digest()


def _digests(images: Tensor) -> list[bytes]:
    return [image.numpy().tobytes() for image in images.cpu()]


def _require_number(name: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    require(number, f"{name} is a {type(value).__name__}, expected a number")
    require(math.isfinite(value), f"{name} is {value}")


def _smooth_images(shape: Shape, bins: int, seed: int) -> Dataset:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand((len(SPLITS), IMAGES, *shape), generator=generator)
    images = (images + images.roll(1, -1) + images.roll(1, -2)) / 3
    splits = zip(SPLITS, (images * bins).floor().numpy(), strict=True)
    return in_memory(
        "tiny", dict(splits), bins=bins, licence="none", source="drawn", pixels={"name": "affine"}
    )


def _all(source: ImageSource) -> Tensor:
    return source.take(range(len(source)))
