"""Checks of what is invertible with a log-determinant: transforms, bijectors and whole models."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.call import Mode
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.brute_force import brute_force_log_det
from flowzoo.testing.draws import BATCH, Draws
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial


class Invertible(Subject):
    """Maps an image to ``y`` with a log-determinant, and back."""

    @abstractmethod
    def output_shape(self) -> Shape:
        """Return the shape of ``y`` that the component states."""

    @final
    def stated_shapes(self) -> object:
        return self.output_shape()

    @abstractmethod
    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        """Return ``y`` and the log-determinant."""

    @abstractmethod
    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        """Return the ``x`` of which ``y`` is the image."""

    @property
    def takes_all_reals(self) -> bool:
        """Whether every finite value can be tried, and not those in ``[0, 1)`` alone."""
        return True

    @abstractmethod
    def other_outputs(self, y: Images) -> Images:
        """Return values like ``y`` that are the image of no ``x`` already tried."""

    @final
    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        y, log_det = self.forward(x, context, draws)
        return {
            "y": y,
            "log_det": log_det,
            "inverse": self.inverse(self.hand_over(0.99 * y), context, draws),
        }


def has_shapes(kind: type[Invertible], trial: Trial) -> None:
    """Shapes are those stated, and ``log_det`` has one number for each image."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    y, log_det = subject.forward(x, context, Draws())
    stated = (BATCH, *subject.output_shape())
    require(tuple(y.shape) == stated, f"the output has shape {tuple(y.shape)}, stated is {stated}")
    require(
        tuple(log_det.shape) == (BATCH,), f"log_det has shape {tuple(log_det.shape)}, expected {(BATCH,)}"
    )
    back = subject.inverse(y, context, Draws())
    require(back.shape == x.shape, f"the inverse has shape {tuple(back.shape)}, expected {tuple(x.shape)}")


@torch.no_grad()
def inverts(kind: type[Invertible], trial: Trial) -> None:
    """``inverse(forward(x)) = x``, and the other way round where it is a bijection."""
    subject = kind.ready(trial)
    tolerance = trial.check.tolerance
    x, context = subject.images(), subject.context()
    y, _ = subject.forward(x, context, Draws())
    require_close(subject.inverse(y, context, Draws()), x, tolerance, "inverse(forward(x))")
    if trial.component.exact:
        y = subject.other_outputs(y)
        x = subject.inverse(y, context, Draws())
        again, _ = subject.forward(x, context, Draws())
        require_close(again, y, tolerance, "forward(inverse(y))")


def has_exact_log_det(kind: type[Invertible], trial: Trial) -> None:
    """``log_det`` equals ``log |det dy/dx|`` of the whole Jacobian, in evaluation and in training."""
    subject = kind.ready(trial)
    modes: tuple[Mode, ...] = ("evaluate", "train")
    for mode in modes:
        x = subject.images().requires_grad_()
        y, log_det = subject.forward(x, subject.context(), Draws(mode=mode, exact=True))
        expected = brute_force_log_det(y, x)
        what = f"log_det{' in training' if mode == 'train' else ''} against the brute-force Jacobian"
        require_close(log_det, expected, trial.check.tolerance, what)


def draws_its_log_det(kind: type[Invertible], trial: Trial) -> None:
    """A stochastic component's ``log_det`` is finite, repeats with its generators and differs with others."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    _, log_det = subject.forward(x, context, Draws())
    _, again = subject.forward(x, context, Draws())
    y, other = subject.forward(x, context, Draws(seed=1))
    require(bool(log_det.isfinite().all()), "log_det is not finite")
    require(torch.equal(log_det, again), "log_det differs with the same generators")
    same = torch.equal(other, log_det) and torch.equal(y, subject.forward(x, context, Draws())[0])
    require(not same, "nothing is drawn: the outputs are the same with other generators")


def likelihood(subject: Invertible, x: Images, context: Images | None) -> Tensor:
    """Return the summed log-likelihood, a scalar, in evaluation."""
    y, log_det = subject.forward(x, context, Draws())
    return (standard_normal_log_prob(y) + log_det).sum()
