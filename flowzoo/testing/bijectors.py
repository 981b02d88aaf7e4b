"""Checks of conditional bijectors."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.call import Call, Ledger, Mode
from flowzoo.exactness import Exactness
from flowzoo.first_pass_end import end_first_pass
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.draws import Draws, draw_images, draw_noise
from flowzoo.testing.invertible import Invertible, likelihood
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import FIRST_BATCH
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9


@final
class Bijector(Invertible):
    """A conditional bijector on trial."""

    module: ConditionalBijector

    @property
    def takes_all_reals(self) -> bool:
        return self.module.traits.takes_all_reals

    @property
    def exactness(self) -> Exactness:
        return self.module.traits.exactness

    @property
    def exact_on_request(self) -> bool:
        return self.module.traits.exact_on_request

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(phase.name for phase in self.module.phases)

    def output_shape(self) -> Shape:
        return self.check.shape

    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        return self.module(x, context, draws.call())

    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        return self.module.inverse(y, context, draws.call())

    def other_outputs(self, y: Images) -> Images:
        return draw_noise(y)

    @torch.no_grad()
    def first_pass(self, seed: int = 0) -> None:
        for batch in range(2):
            ledger = Ledger()
            place = seed + 100 + batch
            x = self.hand_over(draw_images(self.check.shape, FIRST_BATCH, place))
            shape = self.check.context_shape
            context = None
            if shape is not None:
                context = self.hand_over(draw_images(shape, FIRST_BATCH, place + 1000))
            self.module(x, context, Call(mode="initialise", ledger=ledger))
            if not ledger.wants_more:
                break
        end_first_pass(self.module)

    def shared(self, x: Images, contributions: Images, context: Images | None) -> tuple[Images, Images]:
        """Return ``z`` and the contributions after the bijector."""
        return self.module.forward_with_contributions(x, contributions, context, Draws(exact=True).call())

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        call, ledger = draws.call().collecting()
        loss = self.module.loss(x, context, call) + sum(ledger.penalties.values())
        found = {"the loss": loss.sum()}
        if self.module.traits.loss_is_likelihood:
            found["the log-likelihood"] = likelihood(self, x, context)
        return found


@torch.no_grad()
def contributes_its_log_det(kind: type[Bijector], trial: Trial) -> None:
    """The contributions of dimensions, if there are any, sum to ``log_det``; earlier ones are kept."""
    subject = kind.ready(trial)
    if not subject.module.traits.has_contributions:
        return
    x, context = subject.images(), subject.context()
    z, log_det = subject.forward(x, context, Draws(exact=True))
    before = draw_noise(x)
    same, contributions = subject.shared(x, before, context)
    require_close(same, z, trial.check.tolerance, "z of forward_with_contributions")
    require(
        contributions.shape == z.shape,
        f"contributions have shape {tuple(contributions.shape)}, expected {tuple(z.shape)}",
    )
    grown = (contributions.flatten(1).sum(1) - before.flatten(1).sum(1)).to(log_det.dtype)
    require_close(
        grown, log_det, trial.check.tolerance, "the growth of the contributions' sum, against log_det"
    )


@torch.no_grad()
def is_pointwise(kind: type[Bijector], trial: Trial) -> None:
    """A pointwise bijector maps each value by itself, by one function for each channel, at any size."""
    subject = kind.ready(trial)
    if not subject.module.traits.pointwise:
        return
    x, context = subject.images(), subject.context()
    y, log_det = subject.forward(x, context, Draws())
    mirrored, _ = subject.forward(x.flip(2, 3), context, Draws())
    require_close(mirrored, y.flip(2, 3), _ROUNDING, "a pointwise bijector's output for mirrored images")
    twice, both = subject.forward(torch.cat([x, x], dim=3), context, Draws())
    require_close(
        twice, torch.cat([y, y], dim=3), _ROUNDING, "a pointwise bijector's output for wider images"
    )
    require_close(both, 2 * log_det, _ROUNDING, "a pointwise bijector's log_det for images twice as wide")
    one = x.clone()
    one[:, 0, 0, 0] *= 0.5
    changed = (subject.forward(one, context, Draws())[0] != y).flatten(1)
    require(not bool(changed[:, 1:].any()), "its traits.pointwise is True, but one value changes others")


def has_sound_phases(kind: type[Bijector], trial: Trial) -> None:
    """Phases have different names, and their parts of the training sum to 1."""
    phases = kind.ready(trial).module.phases
    if not phases:
        return
    names = [phase.name for phase in phases]
    require(
        all(names) and len(set(names)) == len(names), f"phases are called {names}; give each its own name"
    )
    total = sum(phase.share for phase in phases)
    require(abs(total - 1.0) < _ROUNDING, f"the phases' contributions sum to {total:g}, expected 1")
    fits = all(phase.share > 0 and phase.rate > 0 for phase in phases)
    require(fits, "a phase has a share or a rate that is not greater than 0")


_SEEDS = 256
"""Number of draws over which an estimate of the loss is averaged."""

_STANDARD_ERRORS = 6.0


@torch.no_grad()
def has_the_stated_loss(kind: type[Bijector], trial: Trial) -> None:
    """The loss is the negative log-likelihood exactly if ``loss_is_likelihood``; penalties are separate.

    In evaluation it is so for every draw. In training it may be an estimate, which is right on average.
    """
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    modes: tuple[Mode, ...] = ("evaluate", "train")
    for mode in modes:
        draws = Draws(mode=mode, exact=True)
        loss, expected = _loss(subject, x, context, draws), _cost(subject, x, context, draws)
        what = f"the loss{' in training' if mode == 'train' else ''}, against -(log N(z) + log_det)"
        if not subject.module.traits.loss_is_likelihood:
            same = torch.allclose(loss, expected, rtol=1e-9, atol=1e-9)
            require(
                not same or bool(subject.phases),
                "the loss is the negative log-likelihood; set traits.loss_is_likelihood to True",
            )
        elif mode == "evaluate" or torch.equal(loss, _loss(subject, x, context, replace(draws, seed=1))):
            require_close(loss, expected, max(_ROUNDING, trial.check.tolerance), what)
        else:
            _require_on_average(subject, what)


def _require_on_average(subject: Bijector, what: str) -> None:
    """Require that the loss of one image, which varies with the draws, is the likelihood on average."""
    x, context = subject.images()[:1], subject.context()
    x = x.repeat(_SEEDS, 1, 1, 1)
    context = None if context is None else context[:1].repeat(_SEEDS, 1, 1, 1)
    draws = Draws(mode="train", exact=True, indices=tuple(range(_SEEDS)))
    surplus = _loss(subject, x, context, draws) - _cost(subject, x, context, draws)
    bound = _STANDARD_ERRORS * surplus.std() / _SEEDS**0.5 + _ROUNDING
    require(
        bool(surplus.mean().abs() <= bound),
        f"{what}: off by {surplus.mean():.3g} on average over {_SEEDS} draws, allowed {bound:.3g}",
    )


def _loss(subject: Bijector, x: Images, context: Images | None, draws: Draws) -> PerImage:
    """Return the loss. It is one number for each image, and so is every penalty."""
    call, ledger = draws.call().collecting()
    loss = subject.module.loss(x, context, call)
    for name, value in {"the loss": loss, **ledger.penalties}.items():
        require(
            tuple(value.shape) == (len(x),), f"{name} has shape {tuple(value.shape)}, expected {(len(x),)}"
        )
    return loss


def _cost(subject: Bijector, x: Images, context: Images | None, draws: Draws) -> PerImage:
    z, log_det = subject.forward(x, context, draws)
    return -(standard_normal_log_prob(z) + log_det)
