"""One step of training: dequantisation, loss, gradient, clipping, optimiser and the average of weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
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
from flowzoo.training.compiled_loss import CompiledLoss, Note
from flowzoo.training.not_finite import first_not_finite
from flowzoo.training.precision import autocast, rounded_products
from flowzoo.training.stage import Stage
from flowzoo.warm_start import WarmStart

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True, weight_decay=0.0),
    "adamax": torch.optim.Adamax,
}


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
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._precision = options.precision
        self._batch_size = options.batch_size
        self._clip = options.clip_in(stage.phase.name)
        self._generator = generator
        self._labelled = flow.classes > 0
        self._compiled = CompiledLoss(flow, stage, options, note) if options.compile else None
        self._parameters: list[nn.Parameter] = stage.parameters(flow)
        self.optimiser = _optimiser(stage, flow, options)
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
    ) -> Taken:
        """Take one step. More images than a batch go through the model batch by batch.

        Args:
            images: ``(N, C, H, W)``, on any device.
            learning_rate: Learning rate of this step.
            labels: The class of each image, ``(N,)``; a model without classes does not use them.
            opposed: Whether the adversarial term takes part, if there is one.

        Raises:
            NotFiniteError: The loss or its gradient is not finite. Then weights, optimiser, average and warm
                start are as before.
            NumericalError: A component could not compute the loss; as above.
        """
        drawing, known = self._generator.get_state(), self.warm_start.state()
        try:
            return self._take(images, learning_rate, labels, opposed)
        except NotFiniteError as problem:
            where = self._first_not_finite(images, labels, drawing)
            self.warm_start = WarmStart(self._flow, known)
            raise NotFiniteError(f"{problem} (it begins in {where})" if where else str(problem)) from problem
        except NumericalError:
            self.warm_start = WarmStart(self._flow, known)
            raise

    def _first_not_finite(self, images: IntegerImages, labels: Tensor | None, drawing: Tensor) -> str:
        """Return where the first batch of a step stops being finite, drawn as before; empty if unknown."""
        generator = torch.Generator(self._generator.device)
        generator.set_state(drawing)
        part = slice(0, self._batch_size)
        call = self._call(Ledger(), None if labels is None else labels[part], generator)
        return first_not_finite(self._flow, lambda: self._loss(images[part], call))

    def _take(
        self, images: IntegerImages, learning_rate: float, labels: Tensor | None, opposed: bool
    ) -> Taken:
        ledger = Ledger()
        self.optimiser.zero_grad(set_to_none=True)
        losses: list[Tensor] = []
        adversary = self.adversary if opposed else None
        if adversary is not None:
            adversary.begin()
        for start in range(0, len(images), self._batch_size):
            part = slice(start, start + self._batch_size)
            batch, of_batch = images[part], None if labels is None else labels[part]
            share = len(batch) / len(images)
            losses.append(self._add_gradient(batch, of_batch, share, ledger))
            if adversary is not None:
                adversary.add(batch, of_batch, share, ledger)
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

    def _add_gradient(
        self, batch: IntegerImages, labels: Tensor | None, share: float, ledger: Ledger
    ) -> Tensor:
        """Add a batch's share of the step's gradient, and return its share of the loss, on the device."""
        with rounded_products(self._precision, self._flow.device):
            call = self._call(ledger, labels, self._generator)
            compute = self._loss if self._compiled is None else self._compiled
            loss = compute(batch, call) * share
            loss.backward()
        if self._compiled is not None:
            self._compiled.finished()
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


def _optimiser(stage: Stage, flow: Flow, options: TrainingOptions) -> torch.optim.Optimizer:
    make = OPTIMISERS[options.optimiser]
    if not options.weight_decay:
        return make(stage.parameters(flow), lr=options.learning_rate)
    decaying: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for module in stage.modules(flow):
        for name, parameter in module.named_parameters():
            decaying[name.endswith("weight") and parameter.ndim > 1].append(parameter)
    groups = [
        {"params": decaying[True], "weight_decay": options.weight_decay},
        {"params": decaying[False], "weight_decay": 0.0},
    ]
    return make([group for group in groups if group["params"]], lr=options.learning_rate)


def _require_finite(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise NotFiniteError(f"the {what} is {value}")
