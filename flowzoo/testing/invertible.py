"""Checks of invertible functions with a log-determinant: transforms, bijectors and whole models."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.call import Mode
from flowzoo.exactness import Exactness
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.brute_force import brute_force_log_det
from flowzoo.testing.draws import BATCH, Draws
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_ESTIMATES = 256
"""Number of draws over which an estimate is averaged."""

_STANDARD_ERRORS = 6.0


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
        """Return the ``x`` that is mapped to ``y``."""

    @property
    def exact_on_request(self) -> bool:
        """Whether its log-determinant is exact if the call requests that."""
        return True

    @property
    def takes_all_reals(self) -> bool:
        """Whether every finite value can be tried, not only those in ``[0, 1)``."""
        return True

    @property
    @abstractmethod
    def exactness(self) -> Exactness:
        """The exactness that the component states for its log-determinant in evaluation."""

    @abstractmethod
    def other_outputs(self, y: Images) -> Images:
        """Return values like ``y`` that do not come from any ``x`` that was tried."""

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
    """``inverse(forward(x)) = x``, and ``forward(inverse(y)) = y`` if it is a bijection."""
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
    """``log_det`` equals ``log |det dy/dx|`` of the whole Jacobian, in evaluation and in training.

    A component that states an exact one must have it without a request, and for all draws. One that states an
    estimate must be right on average, and exact on request if it promises that.
    """
    subject = kind.ready(trial)
    stated = subject.exactness
    require(
        stated <= Exactness.UNBIASED,
        f"its exactness is '{stated}', but its component declares exact=True",
    )
    modes: tuple[Mode, ...] = ("evaluate", "train")
    for mode in modes:
        x = subject.images().requires_grad_()
        ask = mode == "train" or stated is not Exactness.EXACT
        y, log_det = subject.forward(x, subject.context(), Draws(mode=mode, exact=ask))
        expected = brute_force_log_det(y, x)
        what = f"log_det{' in training' if mode == 'train' else ''} against the brute-force Jacobian"
        if mode == "train" or stated is Exactness.EXACT or subject.exact_on_request:
            require_close(log_det, expected, trial.check.tolerance, what)
        if mode == "evaluate":
            _keep_to_draws(subject, x.detach(), expected.detach(), log_det.detach())


@torch.no_grad()
def _keep_to_draws(subject: Invertible, x: Images, expected: PerImage, log_det: PerImage) -> None:
    """Require that ``log_det`` is the same for other draws, or that the mean over many draws is right."""
    if subject.exactness is Exactness.EXACT:
        _, other = subject.forward(x, subject.context(), Draws(seed=1))
        what = "log_det with other draws, for a component that is declared exact,"
        require_close(other, log_det, subject.check.tolerance, what)
        return
    context = subject.context()
    given = None if context is None else context[:1].repeat(_ESTIMATES, 1, 1, 1)
    draws = Draws(indices=tuple(range(_ESTIMATES)))
    _, estimates = subject.forward(x[:1].repeat(_ESTIMATES, 1, 1, 1), given, draws)
    off = float(estimates.mean() - expected[0])
    allowed = _STANDARD_ERRORS * float(estimates.std()) / _ESTIMATES**0.5 + subject.check.tolerance
    require(
        abs(off) <= allowed,
        f"the mean of {_ESTIMATES} estimates of log_det is off by {off:.3g} from the brute-force Jacobian, "
        f"allowed {allowed:.2g}; its exactness is not '{subject.exactness}'",
    )


def draws_its_log_det(kind: type[Invertible], trial: Trial) -> None:
    """A stochastic component's ``log_det`` is finite, repeats with its generators and differs with others."""
    subject = kind.ready(trial)
    require(
        subject.exactness > Exactness.UNBIASED,
        f"its exactness is '{subject.exactness}', but its component declares exact=False",
    )
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
