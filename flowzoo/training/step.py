"""One step of training: dequantisation, loss, gradient, clipping, optimiser and the average of weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from flowzoo.call import Call, Ledger
from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Solving
from flowzoo.training.adversary import AdversarialFigures, Adversary
from flowzoo.training.average import WeightAverage
from flowzoo.training.checkpoint import TensorGroups, restore_optimiser
from flowzoo.training.compiled_loss import CompiledLoss, Note
from flowzoo.training.noise import StepNoise
from flowzoo.training.not_finite import first_not_finite
from flowzoo.training.optimisers import make_optimiser
from flowzoo.training.precision import autocast, rounded_products
from flowzoo.training.stage import Stage
from flowzoo.training.together.gradients import sum_gradients
from flowzoo.training.together.team import Team
from flowzoo.warm_start import WarmStart


class NotFiniteError(NumericalError):
    """A loss or gradient that is not finite. The advice depends on the progress of the training."""


class Taken(NamedTuple):
    """What a step found.

    Attributes:
        loss: The loss in bits/dim.
        ledger: The reports of components.
        gradient_norm: Euclidean norm of the gradient before clipping.
        adversarial: Figures of the adversarial term, which is part of that gradient; None without one.
    """

    loss: float
    ledger: Ledger
    gradient_norm: float
    adversarial: AdversarialFigures | None = None


class TrainingStep:
    """Takes steps of one stage, and holds the optimiser, the average and the warm start.

    Args:
        flow: The model, trained in place.
        stage: The levels that train, and their phase.
        options: Options of the training.
        generator: Draws the noise.
        warm_start: What components keep from batch to batch.
        note: Receives lines for the user about compiling.
        team: The processes that share the batches of a step; None for this one alone.

    Attributes:
        optimiser: Optimiser of the stage's parameters.
        average: Average of the weights.
        warm_start: The warm start.
        adversary: The discriminators; None without an adversarial term.

    Raises:
        OptionError: There is an adversarial term, and sampling cannot be differentiated.
    """

    def __init__(
        self,
        flow: Flow,
        stage: Stage,
        options: TrainingOptions,
        generator: torch.Generator,
        warm_start: WarmStart,
        note: Note = lambda line: None,
        team: Team | None = None,
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._precision = options.precision
        self._batch_size = options.batch_size
        self._clip = options.clip_in(stage.phase.name)
        self._noise = StepNoise(generator, stage.name, options.accumulate)
        self._team = team or Team.alone()
        self._labelled = flow.classes > 0
        self._compiled = CompiledLoss(flow, stage, options, note) if options.compile else None
        self._parameters: list[nn.Parameter] = stage.parameters(flow)
        self.optimiser = make_optimiser(stage, flow, options)
        self.average = WeightAverage(flow, options.average)
        self.warm_start = warm_start
        self.adversary = _adversary(flow, stage, options, generator)
        self._discriminator_rate = options.adversarial_learning_rate / (
            options.learning_rate * stage.phase.rate
        )

    def take(
        self,
        images: IntegerImages,
        learning_rate: float,
        labels: Tensor | None = None,
        opposed: bool = True,
        number: int = 0,
    ) -> Taken:
        """Take one step. More images than a batch go through the model batch by batch.

        Args:
            images: ``(N, C, H, W)``, on any device: this process's share of the step's images.
            learning_rate: Learning rate of this step.
            labels: The class of each image, ``(N,)``; a model without classes does not use them.
            opposed: Whether the adversarial term takes part, if there is one.
            number: Number of the step in its stage, which decides the noise of several batches.

        Raises:
            NotFiniteError: The loss or its gradient is not finite. Then weights, optimiser, average and warm
                start are as before.
            NumericalError: A component could not compute the loss; as above.
        """
        known = self.warm_start.state()
        self._noise.begin(number)
        try:
            return self._take(images, learning_rate, labels, opposed)
        except NotFiniteError as problem:
            where = self._team.most_precise(self._first_not_finite(images, labels))
            self.warm_start = WarmStart(self._flow, known)
            raise NotFiniteError(f"{problem} (it begins in {where})" if where else str(problem)) from problem
        except NumericalError:
            self.warm_start = WarmStart(self._flow, known)
            raise

    def restore(self, saved: TensorGroups) -> None:
        """Restore optimiser, weight average and discriminators from a checkpoint."""
        restore_optimiser(self.optimiser, saved.get("optimiser", {}))
        self.average.restore(saved["average"])
        if self.adversary is not None:
            self.adversary.restore(saved)

    def _first_not_finite(self, images: IntegerImages, labels: Tensor | None) -> str:
        """Return where the first batch of a step stops being finite, drawn as before; empty if unknown."""
        part = slice(0, self._batch_size)
        generator = self._noise.again(self._first_batch(images))
        call = self._call(Ledger(), None if labels is None else labels[part], generator)
        return first_not_finite(self._flow, lambda: self._loss(images[part], call))

    def _first_batch(self, images: IntegerImages) -> int:
        """Return the number of this process's first batch in the step."""
        return self._team.rank * math.ceil(len(images) / self._batch_size)

    def _take(
        self, images: IntegerImages, learning_rate: float, labels: Tensor | None, opposed: bool
    ) -> Taken:
        ledger = Ledger()
        self.optimiser.zero_grad(set_to_none=True)
        adversary = self.adversary if opposed else None
        if adversary is not None:
            adversary.begin()
        losses: list[Tensor] = []
        problem = None
        try:
            self._add_gradients(images, labels, losses, adversary, ledger)
        except NumericalError as error:
            if self._team.is_alone:
                raise
            problem = error
        if not self._team.is_alone:
            shared = self._team, self._parameters, losses, problem, ledger, self.warm_start
            losses = [sum_gradients(*shared)]
        figures = None
        if adversary is not None:
            figures = adversary.finish()
            if figures is None:
                ledger.counts["adversarial terms left out"] = 1.0
        total = nn.utils.get_total_norm([each.grad for each in self._parameters if each.grad is not None])
        # Reading a number back waits for the device, so a step does it once, at its end.
        *shares, norm = torch.cat([each.reshape(1) for each in (*losses, total)]).tolist()
        loss = sum(shares)
        _require_finite(loss, "loss")
        _require_finite(norm, "gradient")
        nn.utils.clip_grads_with_norm_(self._parameters, self._clip, total)
        if adversary is not None and figures is not None:
            adversary.advance(learning_rate * self._discriminator_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.step()
        self.average.update()
        return Taken(loss, ledger, norm, figures)

    def _add_gradients(
        self,
        images: IntegerImages,
        labels: Tensor | None,
        losses: list[Tensor],
        adversary: Adversary | None,
        ledger: Ledger,
    ) -> None:
        """Add the gradients of this process's batches, and their shares of the loss to ``losses``."""
        begun = self.warm_start.state()
        for number, start in enumerate(range(0, len(images), self._batch_size), self._first_batch(images)):
            part = slice(start, start + self._batch_size)
            batch, of_batch = images[part], None if labels is None else labels[part]
            share = len(batch) / (len(images) * self._team.count)
            self.warm_start.return_to(begun)  # batches do not depend on each other
            losses.append(self._add_gradient(batch, of_batch, share, ledger, self._noise.of(number)))
            if adversary is not None:
                adversary.add(batch, of_batch, share, ledger)

    def _add_gradient(
        self,
        batch: IntegerImages,
        labels: Tensor | None,
        share: float,
        ledger: Ledger,
        generator: torch.Generator,
    ) -> Tensor:
        """Add a batch's share of the step's gradient, and return its share of the loss, on the device."""
        with rounded_products(self._precision, self._flow.device):
            call = self._call(ledger, labels, generator)
            if self._compiled is None:
                loss = self._loss(batch, call) * share
                loss.backward()
            else:
                loss = self._compiled.add_gradient(batch, call, share)
        ledger.penalties.clear()  # they are in the loss, and the next batch may have another size
        return loss.detach()

    def _loss(self, batch: IntegerImages, call: Call) -> Tensor:
        with autocast(self._precision, self._flow.device):
            return self._stage.loss(self._flow, batch, call)

    def _call(self, ledger: Ledger, labels: Tensor | None, generator: torch.Generator) -> Call:
        return Call(
            mode="train",
            generator=generator,
            ledger=ledger,
            solver=Solving(phase=self._stage.phase.name, warm_start=self.warm_start),
            labels=labels if self._labelled else None,
        )


def _adversary(
    flow: Flow, stage: Stage, options: TrainingOptions, generator: torch.Generator
) -> Adversary | None:
    if options.adversarial is None or stage.scoring:
        return None
    return Adversary(flow, stage, options, generator)


def _require_finite(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise NotFiniteError(f"the {what} is {value}")
