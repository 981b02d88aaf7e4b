"""Checks of whole models."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.errors import DataError, FlowzooError, ShapeError
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.registry.saving import load_model, save_model
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.shapes import Images, IntegerImages, PerImage, Shape
from flowzoo.testing.draws import BATCH, Draws, draw_images, draw_noise, global_state_left_alone, scrambled
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.result import CheckFailed, require, require_close, require_equal
from flowzoo.testing.subject import FIRST_BATCH
from flowzoo.testing.trial import Trial
from flowzoo.units import bits_per_dim


@final
class Model(Invertible):
    """A model on trial: ``y`` holds all latents, and ``log_det`` is ``log p(x) - log N(y; 0, I)``."""

    module: Flow

    def output_shape(self) -> Shape:
        return 1, 1, sum(torch.Size(shape).numel() for shape in self.module.latent_shapes)

    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        latents, terms = self.module.analyse(x, draws.call())
        z = torch.cat([each.flatten(1) for each in latents], dim=1)[:, None, None]
        log_prob = terms.total()
        return z, log_prob - standard_normal_log_prob(z).to(log_prob.dtype)

    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        sizes = [torch.Size(shape).numel() for shape in self.module.latent_shapes]
        parts = torch.split(y.flatten(1), sizes, dim=1)
        latents = [
            part.reshape(-1, *shape) for part, shape in zip(parts, self.module.latent_shapes, strict=True)
        ]
        return self.module.decode(latents, draws.call())

    @property
    def exactness(self) -> Exactness:
        return self.module.exactness

    @property
    def exact_on_request(self) -> bool:
        return max(self.module.exactness_of_parts(exact=True)) is Exactness.EXACT

    def other_outputs(self, y: Images) -> Images:
        # Latents drawn at random may decode to values outside [0, 1), which forward refuses.
        for change in (1e-2, 1e-3, 1e-4, 1e-5):
            other = (1.0 - change) * y
            x = self.inverse(other, None, Draws())
            if bool(((x >= 0) & (x < 1)).all()):
                return other
        return y

    def first_pass(self, seed: int = 0) -> None:
        shape = self.check.shape
        pixels = draw_noise(torch.empty(self.module.dimensions, dtype=torch.float64))
        fit_splits(self.module, [pixels] * scored_levels(self.module))
        self.module.initialise(
            draw_images(shape, FIRST_BATCH, self.trial.mixed(seed + place)) for place in (100, 101)
        )

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        losses = self.module.loss(x, draws.call())
        found = {"the loss": torch.stack([loss.sum() for loss in losses]).sum()}
        if all(
            self.module.level(place).conditional.traits.loss_is_likelihood for place in range(len(losses))
        ):
            found["the log-likelihood"] = self.module.log_prob(x, Draws().call()).sum()
        return found


def has_terms_that_add_up(kind: type[Model], trial: Trial) -> None:
    """``log p(x)`` is the sum of its terms, one set for each level."""
    flow, x = _flow_and_images(kind, trial)
    terms = flow.terms(x, Draws().call())
    require(
        len(terms.levels) == len(flow.latent_shapes),
        f"it has {len(terms.levels)} sets of terms, expected one for each level",
    )
    rows = [terms.pixels, *(term for level in terms.levels for term in level)]
    for row in rows:
        require(tuple(row.shape) == (BATCH,), f"a term has shape {tuple(row.shape)}, expected {(BATCH,)}")
    require_close(flow.log_prob(x, Draws().call()), sum(rows, torch.zeros(())), 1e-12, "log p(x)")


def has_level_losses(kind: type[Model], trial: Trial) -> None:
    """A level's loss is the same, computed alone or with the losses of the others."""
    flow, x = _flow_and_images(kind, trial)
    together = flow.loss(x, Draws().call())
    for place, loss in enumerate(together):
        alone = flow.level_loss(place, x, Draws().call())
        require(alone.shape == loss.shape, f"the loss of level {place} has shape {tuple(alone.shape)}")
        if trial.component.exact and flow.level(place).conditional.traits.loss_is_likelihood:
            require_close(alone, loss, 1e-12, f"the loss of level {place}, computed alone")


def samples(kind: type[Model], trial: Trial) -> None:
    """Samples are finite, repeat with the same seed and differ with another. The global state stays."""
    flow, _ = _flow_and_images(kind, trial)
    with global_state_left_alone("sampling"):
        first, again, other = flow.sample(2, seed=1), flow.sample(2, seed=1), flow.sample(2, seed=2)
        flow.sample(1)
    require(tuple(first.shape) == (2, *trial.check.shape), f"samples have shape {tuple(first.shape)}")
    require(bool(first.isfinite().all()), "a sample is not finite")
    require(torch.equal(first, again), "samples with one seed differ")
    require(not torch.equal(first, other), "samples with two seeds are the same")
    require(not torch.equal(first[0], first[1]), "two samples of a batch are the same")


def saves_and_loads(kind: type[Model], trial: Trial) -> None:
    """A saved model, loaded again, gives the same ``log p(x)``, to the last bit."""
    flow, x = _flow_and_images(kind, trial)
    flow.float()
    with tempfile.TemporaryDirectory() as folder:
        save_model(flow, Path(folder) / "model")
        loaded = load_model(Path(folder) / "model")
    expected = flow.log_prob(x, Draws().call())
    require(torch.equal(loaded.log_prob(x, Draws().call()), expected), "log p(x) differs after loading")


def gives_bits_per_dim(kind: type[Model], trial: Trial) -> None:
    """Bits per dimension of integer images are finite, and agree with ``log p`` of the dequantised images."""
    flow, _ = _flow_and_images(kind, trial)
    images = _integers(trial, flow.bins)
    found = flow.bits_per_dim(images, Draws().call())
    run = Draws().call()
    x, log_q = flow.dequantise(images, run)
    log_prob = flow.log_prob(x, run) - log_q
    require(bool(found.isfinite().all()), "bits per dimension are not finite")
    require_close(found, bits_per_dim(log_prob, flow.dimensions, flow.bins), 1e-12, "bits per dimension")


def with_other_pixels(*checks: Callable[[type[Model], Trial], None]) -> Callable[[type[Model], Trial], None]:
    """Return a check that repeats others with pixels in logit space, where values have no bounds."""

    def every(kind: type[Model], trial: Trial) -> None:
        pixels = {"name": "logit", "alpha": 0.05}
        variant = trial.with_check(options={**trial.check.options, "pixels": pixels})
        for check in checks:
            try:
                check(kind, variant)
            except CheckFailed as failure:
                raise CheckFailed(f"with pixels in logit space: {failure}") from failure.__cause__

    return every


def counts_other_bins(kind: type[Model], trial: Trial) -> None:
    """The model works for data with a number of bins other than 256."""
    for bins in (2, 17):
        variant = trial.with_check(options={**trial.check.options, "bins": bins})
        flow, _ = _flow_and_images(kind, variant)
        require(flow.bins in (bins, 256), f"made for {bins} bins, it has {flow.bins}")
        try:
            gives_bits_per_dim(kind, variant)
        except CheckFailed as failure:
            raise CheckFailed(f"for data of {bins} bins: {failure}") from failure.__cause__


def keeps_parameters_apart(kind: type[Model], trial: Trial) -> None:
    """No two parameters or buffers share memory: a copy, a move or a load would separate them.

    One parameter that is used in two places is allowed: it stays one parameter.
    """
    flow: Flow = trial.build()
    places = [
        (name, *_extent(each))
        for name, each in [*flow.named_parameters(), *flow.named_buffers()]
        if each.numel()
    ]
    places.sort(key=lambda place: (place[1], place[2]))
    for (name, storage, _, end), (other, other_storage, start, _) in itertools.pairwise(places):
        require(
            storage != other_storage or start >= end,
            f"'{name}' and '{other}' share memory, and no longer do so once the model is copied, moved or "
            "loaded; use one parameter in both places",
        )


def trains_levels_apart(kind: type[Model], trial: Trial) -> None:
    """If levels can be trained one by one, a level's loss does not depend on other levels' parameters."""
    flow, x = _flow_and_images(kind, trial)
    if not flow.separable:
        return
    for place in range(len(flow.levels)):
        loss = flow.level_loss(place, x, Draws(mode="train").call()).sum()
        own = {id(each) for each in flow.level(place).parameters()}
        others = {name: each for name, each in flow.named_parameters() if id(each) not in own}
        if not others or not loss.requires_grad:
            continue
        gradients = torch.autograd.grad(loss, list(others.values()), materialize_grads=True)
        for name, gradient in zip(others, gradients, strict=True):
            alone = not bool(gradient.any())
            require(alone, f"the loss of level {place} depends on '{name}', which belongs to another level")


def refuses_bad_images(kind: type[Model], trial: Trial) -> None:
    """Images of a wrong shape, type or range are refused with the right error."""
    flow, x = _flow_and_images(kind, trial)
    integers = _integers(trial, flow.bins)
    one, below, not_a_number = x.clone(), x.clone(), x.clone()
    one[1, 0, 0, 0], below[1, 0, 0, 0], not_a_number[1, 0, 0, 0] = 1.0, -1e-6, float("nan")
    too_large = integers.long()
    too_large[1, 0, 0, 0] = flow.bins
    _expect(DataError, lambda: flow.log_prob(one), "a value of 1")
    _expect(DataError, lambda: flow.log_prob(below), "a value below 0")
    _expect(DataError, lambda: flow.log_prob(not_a_number), "a NaN")
    _expect(DataError, lambda: flow.bits_per_dim(too_large), "an integer that is too large")
    _expect(ShapeError, lambda: flow.log_prob(x[..., :-1]), "images that are too narrow")
    _expect(ShapeError, lambda: flow.decode([*flow.draw_latents(2), x]), "a latent too many")


def leaves_global_state_alone_when_created(kind: type[Model], trial: Trial) -> None:
    """Creating a model does not change the global random state, and a seed always gives the same weights."""
    with global_state_left_alone("creation"):
        trial.make(trial)
    weights = []
    for seed in (1, 2):
        with scrambled(seed):
            weights.append(dict(trial.build().state_dict()))
    require_equal(weights[0], weights[1], "two models made with one seed")


def _flow_and_images(kind: type[Model], trial: Trial) -> tuple[Flow, Images]:
    subject = kind.ready(trial)
    return subject.module, subject.images()


def _integers(trial: Trial, bins: int) -> IntegerImages:
    # Both ends of the range are among them.
    images = (draw_images(trial.check.shape) * bins).floor().clamp(0, bins - 1).to(torch.uint8)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 0, bins - 1
    return images


def _extent(tensor: Tensor) -> tuple[int, int, int]:
    """Return the memory of a tensor, with its first and last byte."""
    size = tensor.element_size()
    start = int(tensor.storage_offset()) * size
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    reach = sum(int(length - 1) * int(stride) for length, stride in sizes)
    return tensor.untyped_storage().data_ptr(), start, start + (reach + 1) * size


def _expect(error: type[FlowzooError], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except error:
        return
    except Exception as other:
        raise CheckFailed(f"{what} raises {type(other).__name__}, expected {error.__name__}") from other
    raise CheckFailed(f"{what} is accepted, expected {error.__name__}")
