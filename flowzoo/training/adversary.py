"""The adversarial term of training: discriminators of drawn and real images, and the gradient they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from flowzoo.call import Call, Ledger
from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.part_list import PartList
from flowzoo.shapes import Images, IntegerImages, Shape
from flowzoo.training.checkpoint import optimiser_tensors, restore_optimiser
from flowzoo.training.discriminator import Discriminator
from flowzoo.training.opposed import drawn_images, real_images, require_differentiable
from flowzoo.training.precision import autocast, rounded_products
from flowzoo.training.stage import Stage

BETAS = 0.5, 0.9
"""Decays of Adam's averages for the discriminators, which chase a moving target."""


class AdversarialFigures(NamedTuple):
    """What the adversarial term did in a step.

    Attributes:
        loss: The model's adversarial loss, before its weight: minus the mean score of drawn images.
        discriminator_loss: The discriminators' loss: 0 if they are right with a margin, 2 a level if they
            see no difference.
        gradient_norm: Norm of the weighted term's gradient before clipping.
    """

    loss: float
    discriminator_loss: float
    gradient_norm: float


class Adversary:
    """Discriminators of one stage, their optimiser, and the gradient of the adversarial term.

        model:           w * sum over levels of -E[D(drawn)]
        discriminators:  sum over levels of E[max(0, 1 - D(real))] + E[max(0, 1 + D(drawn))]

    Both follow from the same drawn images, and both take their step at the same time. Images are drawn
    as in evaluation, at temperature 1. In a model with classes they have the labels of the real images,
    which the discriminators do not see.

    Args:
        flow: The model.
        stage: What trains.
        options: Options of the training, with ``adversarial``.
        generator: Draws noise and latents.

    Raises:
        OptionError: Sampling cannot be differentiated.

    References:
        Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024, appendix F (the gradient is
        clipped by itself, added to the likelihood's, and the sum is clipped again); Grover, Dhar and Ermon,
        "Flow-GAN", 2018 (both objectives in one flow); Lim and Ye, "Geometric GAN", 2017 (the hinge loss).
    """

    def __init__(
        self, flow: Flow, stage: Stage, options: TrainingOptions, generator: torch.Generator
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._precision = options.precision
        self._weight = options.adversarial_weight
        self._clip = options.adversarial_clip
        self._generator = generator
        self._places = (0,) if options.adversarial == "image" else stage.levels
        require_differentiable(flow, stage, self._places)
        self._parameters = [each for each in stage.parameters(flow) if each.requires_grad]
        shapes = _shapes(flow)
        made = (Discriminator(shapes[place]) for place in self._places)
        self._discriminators = PartList(made, Discriminator).to(flow.device, flow.dtype)
        self._optimiser = torch.optim.Adam(
            self._discriminators.parameters(), lr=options.adversarial_learning_rate, betas=BETAS
        )
        self.begin()

    def begin(self) -> None:
        """Begin a step: forget the gradients of the last one."""
        self._gradients: list[Tensor | None] = [None] * len(self._parameters)
        self._optimiser.zero_grad(set_to_none=True)
        self._loss = self._discriminator_loss = 0.0
        self._usable = True

    def add(self, images: IntegerImages, labels: Tensor | None, share: float, ledger: Ledger) -> None:
        """Add a batch's share of the gradients, of the model's term and of the discriminators' loss.

        Args:
            images: ``(B, C, H, W)``, integers.
            labels: The class of each image, or None.
            share: The batch's part of the step.
            ledger: Collects what components report, such as the evaluations of a solver.
        """
        call = Call(generator=self._generator, labels=labels, ledger=ledger)
        real = real_images(self._flow, images, self._places, call)
        device = self._flow.device
        with rounded_products(self._precision, device):
            with autocast(self._precision, device):
                drawn = self._draw(len(images), call)
                if drawn is None:
                    self._usable = False
                    return
                for discriminator, seen in zip(self._discriminators, real, strict=True):
                    discriminator.see(seen)
                pairs = zip(self._discriminators, drawn, strict=True)
                term = -torch.stack([discriminator(made).mean() for discriminator, made in pairs]).sum()
            self._keep(torch.autograd.grad(self._weight * share * term, self._parameters, allow_unused=True))
            with autocast(self._precision, device):
                loss = self._opposition(real, [each.detach() for each in drawn])
            (share * loss).backward()
        self._loss += share * float(term.detach())
        self._discriminator_loss += share * float(loss.detach())

    def finish(self) -> AdversarialFigures | None:
        """Add the clipped gradient to the model's.

        Returns:
            The figures; None if an image that was drawn, or the gradient, is not finite. Then nothing is
            added.
        """
        found = [each for each in self._gradients if each is not None]
        norm = nn.utils.get_total_norm(found) if found else torch.tensor(0.0)
        if not self._usable or not bool(norm.isfinite()):
            return None
        factor = min(1.0, self._clip / (float(norm) + 1e-6))
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            if gradient is not None:
                gradient = gradient * factor
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return AdversarialFigures(self._loss, self._discriminator_loss, float(norm))

    def advance(self, learning_rate: float) -> None:
        """Let the discriminators take their step, after :meth:`finish` gave figures."""
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.step()

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return the groups of tensors that a checkpoint holds."""
        return {
            "discriminators": dict(self._discriminators.state_dict()),
            "discriminator_optimiser": optimiser_tensors(self._optimiser),
        }

    def restore(self, saved: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on from a checkpoint's groups."""
        self._discriminators.load_state_dict(saved["discriminators"])
        restore_optimiser(self._optimiser, saved.get("discriminator_optimiser", {}))

    def _draw(self, count: int, call: Call) -> list[Images] | None:
        """Return drawn images; None if one is not finite, which is no reason to end a training."""
        try:
            drawn = drawn_images(self._flow, count, self._places, self._stage.levels, call)
        except NumericalError:
            return None
        return drawn if all(bool(each.isfinite().all()) for each in drawn) else None

    def _opposition(self, real: list[Images], drawn: list[Images]) -> Tensor:
        losses = []
        for discriminator, seen, made in zip(self._discriminators, real, drawn, strict=True):
            scores = discriminator(torch.cat([seen, made]))
            losses.append(
                functional.relu(1.0 - scores[: len(seen)]).mean()
                + functional.relu(1.0 + scores[len(seen) :]).mean()
            )
        return torch.stack(losses).sum()

    def _keep(self, gradients: tuple[Tensor | None, ...]) -> None:
        pairs = zip(self._gradients, gradients, strict=True)
        self._gradients = [new if old is None else old if new is None else old + new for old, new in pairs]


def _shapes(flow: Flow) -> list[Shape]:
    """Return the shapes of the levels' images, finest first."""
    shapes = [flow.image_shape]
    for level in list(flow.levels)[:-1]:
        kept, _ = level.shapes(shapes[-1])
        assert kept is not None, "only the last level keeps nothing"
        shapes.append(kept)
    return shapes
