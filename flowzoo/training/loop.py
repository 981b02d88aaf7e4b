"""The training loop of one stage."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.errors import NumericalError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.flow import Flow
from flowzoo.registry.probe import Probe, images_of, take_probe
from flowzoo.registry.saving import save_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.checkpoint import (
    Position,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from flowzoo.training.clock import clock_of
from flowzoo.training.faults import IN_A_ROW, Faults
from flowzoo.training.good_state import GoodState
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter, WorkReport
from flowzoo.training.samples import SampleLog
from flowzoo.training.stage import Stage
from flowzoo.training.step import NotFiniteError, Taken, TrainingStep
from flowzoo.training.stop import Interrupted, requested, saving_first
from flowzoo.warm_start import WarmStart

_LOGGER = logging.getLogger("flowzoo")

LOG_EVERY = 10
"""Number of steps between two records of the training loss."""

TRAIN_PER_VALIDATION = 5.0
"""Smallest ratio of training time to validation time, for a budget in seconds."""

CHECKPOINT_SECONDS = 60.0
"""Longest time in seconds between two checkpoints, up to one step."""

FEW_IMAGES = 32
"""If the loss is not finite from the start, a first pass over fewer images than this is the likely cause."""

TensorGroups = Mapping[str, Mapping[str, Tensor]]
"""A checkpoint's tensors, by group and name."""


@dataclass(frozen=True)
class Surroundings:
    """What all stages of a training have in common.

    Attributes:
        dataset: The data to validate on.
        batches: The data to train on.
        generator: Draws the noise.
        folder: Where model, log and checkpoint go.
        experiment: The experiment, whose training options are used.
        stages: Number of stages of the training.
        reporter: Receives the progress.
        log: The run's own log.
        samples: Draws samples after validations.
    """

    dataset: Dataset
    batches: ShuffledBatches
    generator: torch.Generator
    folder: RunFolder
    experiment: Experiment
    stages: int
    reporter: Reporter
    log: TrainingLog
    samples: SampleLog


class TrainingLoop:
    """Optimiser, weight average, the components' warm start and progress of one stage.

    Args:
        flow: The model, trained in place.
        stage: The levels that train, and their phase.
        budget: Budget of this stage.
        position: The position at which to begin.
        around: Data, options and folder of the training.

    Attributes:
        position: The position of the training.
    """

    def __init__(
        self, flow: Flow, stage: Stage, budget: Budget, position: Position, around: Surroundings
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._budget = budget
        self._around = around
        self._options = options = around.experiment.training
        self._log = around.log
        self._objective = stage.objective(flow)
        self._peak = options.learning_rate * stage.phase.rate
        warm_start = WarmStart(flow, position.warm_start)
        self._step = TrainingStep(flow, stage, options, around.generator, warm_start, self._note)
        # If the budget was raised since the checkpoint, there are validations to do.
        due = int(budget.used(position.stage_step, position.stage_seconds) * options.validations)
        self._good = GoodState(around.folder, position.good)
        self._start = self.position = replace(position, validations=min(position.validations, due))
        self._clock = clock_of(options, flow.device)
        self._began = self._validated = self._clock()
        self._saved = time.monotonic()
        self._validation_seconds = 0.0
        self._validation: tuple[int, float] | None = None
        self._progress: Progress | None = None
        self._probe: Probe | None = None

    def restore(self, saved: TensorGroups) -> None:
        """Restore optimiser and weight average from a checkpoint."""
        restore_optimiser(self._step.optimiser, saved.get("optimiser", {}))
        self._step.average.restore(saved["average"])
        if self._step.adversary is not None:
            self._step.adversary.restore(saved)

    def run(self, checkpointed: Callable[[Position], object]) -> Position:
        """Train until the budget is used up, and return the final position.

        Args:
            checkpointed: Called with every position from which training can continue.

        Raises:
            NumericalError: The loss was not finite, or no validation figure was.
            Interrupted: A signal asked to stop; everything up to the last step is saved.
        """
        self._checkpointed = checkpointed
        with saving_first():
            return self._run()

    def _run(self) -> Position:
        if self.position.stage_step == 0:
            # Before a model of this stage replaces the best one of the stage before, from which this stage
            # starts.
            self._save_checkpoint(good=True)
        while not self._finished():
            signal = requested()
            if signal is not None:
                self._save_checkpoint()
                raise Interrupted(signal, self.position.step)
            try:
                taken, rate, speed = self._take_step()
            except NumericalError as problem:
                if not self._stage.continues or self.position.best is None:
                    raise
                # The best model of earlier phases is kept.
                self._log.append({**self._record(), "ended": str(problem)})
                return self.position
            self._read_clock()
            used = min(1.0, self._budget.used(self.position.stage_step, self.position.stage_seconds))
            self._report(taken, rate, speed, used)
            if self._validation_is_due(used):
                began = self._clock()
                figure = self._validate()
                began += self._draw_samples()
                done = int(used * self._options.validations)
                self.position = replace(self.position, validations=done)
                self._read_clock()
                self._save_checkpoint(good=figure and not self.position.faults.in_a_row)
                self._report_again()
                self._validated = self._clock()
                self._validation_seconds = self._validated - began
            elif time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save_checkpoint()
        if self.position.best is None and not self._stage.scoring:
            raise NumericalError(
                f"{self._stage.name}: no validation gave a finite figure; see {self._around.folder.log}, "
                "and try a lower training.learning_rate"
            )
        return self.position

    def _finished(self) -> bool:
        if self._stage.scoring:
            return self._budget.used(self.position.stage_step, self.position.stage_seconds) >= 1.0
        return self.position.validations >= self._options.validations

    def _validation_is_due(self, used: float) -> bool:
        if self._stage.scoring:
            return False
        if used >= 1:
            return True
        if used < (self.position.validations + 1) / self._options.validations:
            return False
        if self._budget.seconds is None:
            return True  # independent of the clock, so that the same steps give the same model
        return self._clock() - self._validated >= TRAIN_PER_VALIDATION * self._validation_seconds

    def _take_step(self) -> tuple[Taken | None, float, float]:
        """Take one step, or skip it where numbers are not finite.

        Returns:
            What the step found, None if it was skipped; its learning rate; and images per second.

        Raises:
            NumericalError: Nothing has trained yet, or going back has not helped.
        """
        began = time.monotonic()
        images, labels = self._around.batches.take()
        rate = self._learning_rate()
        taken = None
        try:
            taken = self._step.take(images, rate, labels, self._opposed())
            faults = self.position.faults.after_step()
        except NumericalError as problem:
            faults = self._after_fault(problem)
        self.position = replace(
            self.position,
            step=self.position.step + 1,
            stage_step=self.position.stage_step + 1,
            faults=faults,
        )
        return taken, rate, len(images) / (time.monotonic() - began)

    def _after_fault(self, problem: NumericalError) -> Faults:
        """Go back where too many steps in a row were not finite, or give up."""
        faults = self.position.faults.after_skip()
        at = f"at step {self.position.step}"
        if not self.position.step or faults.hopeless:
            kept = self._around.folder.model
            best = f" (the best model so far is in {kept})" if kept.exists() else ""
            advice = f"; {self._advice()}" if isinstance(problem, NotFiniteError) else ""
            tried = (
                f", the last of {IN_A_ROW} such steps in a row, after going back {faults.restored} times to "
                "the last good state"
            )
            raise NumericalError(
                f"{problem}{advice}; {at}{tried if faults.hopeless else ''}{best}"
            ) from problem
        if faults.skipped == 1:
            _LOGGER.warning("%s: %s. The step is skipped, and so are others like it", at, problem)
        if faults.in_a_row == 1:
            self._log.append({**self._record(ahead=1), "skipped": str(problem)})
        return self._go_back(str(problem)) if faults.persist else faults

    def _go_back(self, problem: str) -> Faults:
        """Restore the last good state, and go on from it with the next images at half the learning rate."""
        good, saved = load_checkpoint(self._good.path)
        self._flow.load_state_dict(saved["model"])
        self.restore(saved)
        self._step.warm_start = WarmStart(self._flow, good.warm_start)
        faults = self.position.faults.after_skip().after_restoration()
        self._log.append({**self._record(ahead=1), "went_back_to": good.step, "reason": problem})
        _LOGGER.warning(
            "at step %d: %d steps in a row were skipped. Training goes on from the weights of step %d, at %g "
            "of the learning rate",
            self.position.step,
            IN_A_ROW,
            good.step,
            faults.rate,
        )
        return faults

    def _opposed(self) -> bool:
        """Return whether the model trains against discriminators by now."""
        used = self._budget.used(self.position.stage_step, self.position.stage_seconds)
        return self._step.adversary is not None and used >= self._options.adversarial_start

    def _advice(self) -> str:
        """Return advice for a loss or gradient that is not finite."""
        if self.position.step:
            return "try a lower training.learning_rate or training.clip"
        # Nothing has trained yet, so the training cannot be the cause.
        seen = min(self._options.initial_images, len(self._around.dataset.split("train")))
        if seen < FEW_IMAGES:
            return (
                f"the first pass over the data saw {seen} image(s), too few to measure how values spread; "
                f"set training.initial_images to {FEW_IMAGES} or more, and use a data set that has as many"
            )
        return "nothing has trained yet: check the data, the pixel transform and the model's options"

    def _learning_rate(self) -> float:
        position, options = self.position, self._options
        done = min(1.0, self._budget.used(position.stage_step, position.stage_seconds))
        risen = (position.stage_step + 1) / (options.warmup + 1)
        share = options.warmup_share or self._stage.phase.warmup
        if share is not None:
            risen = max(risen, done / share)
        rate = self._peak * position.faults.rate * min(1.0, risen)
        if options.schedule == "cosine":
            rate *= 0.5 * (1.0 + math.cos(math.pi * done))
        return rate

    def _read_clock(self) -> None:
        """Update the times of the position."""
        elapsed = self._clock() - self._began
        self.position = replace(
            self.position,
            stage_seconds=self._start.stage_seconds + elapsed,
            seconds=self._start.seconds + elapsed,
        )

    def _report(self, taken: Taken | None, rate: float, speed: float, used: float) -> None:
        position, around = self.position, self._around
        self._progress = Progress(
            stage=self._stage.name,
            step=position.step,
            used=used,
            seconds=position.seconds,
            seconds_left=position.stage_seconds * (1.0 / used - 1.0),
            loss=taken and taken.loss,
            images_per_second=speed,
            bits_per_dim=self._validation and self._validation[1],
            steps=around.experiment.budget.steps,
            validated_at=self._validation and self._validation[0],
            stages=around.stages,
            adversarial_loss=taken and taken.adversarial and taken.adversarial.loss,
            discriminator_loss=taken and taken.adversarial and taken.adversarial.discriminator_loss,
        )
        self._around.reporter.update(self._progress)
        if taken is not None and position.stage_step % LOG_EVERY == 0:
            self._log.append(
                {
                    **self._record(),
                    "objective": self._objective,
                    "loss": taken.loss,
                    "learning_rate": rate,
                    "gradient_norm": taken.gradient_norm,
                    "images_per_second": round(speed, 1),
                    "counts": {**taken.ledger.counts, **_skipped(position)},
                    **_adversarial(taken),
                }
            )

    def _report_again(self) -> None:
        """Report the validation that has just ended."""
        if self._progress is None or self._validation is None:
            return
        step, bits = self._validation
        self._around.reporter.update(replace(self._progress, bits_per_dim=bits, validated_at=step))

    def _validate(self) -> bool:
        """Measure the averaged weights, and keep them if they are the best so far.

        Returns:
            Whether there is a figure.

        With an adversarial term bits/dim are only part of what is minimised, so the latest ones are kept.
        """
        record = self._record()
        assert self._progress is not None, "a validation follows a step"
        report = WorkReport(self._around.reporter, "validation", self._progress)
        try:
            validate = self._stage.validate
            bits, error = validate(self._step.average.flow, self._around.dataset, self._options, report)
        except NumericalError as problem:
            self._log.append({**record, "validation_error": str(problem)})
            return False
        self._validation = self.position.step, bits
        self._log.append({**record, "validation_bits_per_dim": bits, "validation_standard_error": error})
        if self.position.best is None or bits < self.position.best or self._opposed():
            self.position = replace(self.position, best=bits)
            save_model(self._step.average.flow, self._around.folder.model)
        return True

    def _note(self, line: str) -> None:
        """Tell the user, and keep the line in the log."""
        self._around.reporter.note(line)
        self._log.append({**self._record(ahead=1), "note": line})

    def _record(self, ahead: int = 0) -> dict[str, Any]:
        """Return what all records of the log say: where the training is, or will be some steps later."""
        step = self.position.step + ahead
        return {
            "step": step,
            "seconds": round(self.position.seconds, 3),
            "images": step * self._options.images_per_step,
            "stage": self._stage.name,
        }

    def _draw_samples(self) -> float:
        """Draw samples, and stop the clock meanwhile. Return the seconds that it took."""
        assert self._progress is not None, "samples follow a step"
        report = WorkReport(self._around.reporter, "drawing samples", self._progress)
        began = self._clock()
        self._around.samples.draw(self._step.average.flow, self._record(), report)
        seconds = self._clock() - began
        self._began += seconds
        return seconds

    def _save_checkpoint(self, good: bool = False) -> None:
        self._probe = take_probe(self._flow, _images(self._probe, self._flow))
        self.position = replace(
            self.position,
            batches=self._around.batches.state(),
            warm_start=self._step.warm_start.state(),
            probe=asdict(self._probe),
            good=good,
        )
        with self._good.kept(good):
            self._write_checkpoint()
        self._saved = time.monotonic()
        self._checkpointed(self.position)

    def _write_checkpoint(self) -> None:
        save_checkpoint(
            self._around.folder.checkpoint,
            self.position,
            {
                **({} if self._step.adversary is None else self._step.adversary.state()),
                "model": self._flow.state_dict(),
                "optimiser": optimiser_tensors(self._step.optimiser),
                "average": self._step.average.state(),
                "generator": {"state": self._around.generator.get_state()},
            },
        )


def _skipped(position: Position) -> dict[str, int]:
    """Return what the counts of the log hold of steps that were skipped."""
    skipped = position.faults.skipped
    return {"skipped steps": skipped} if skipped else {}


def _adversarial(taken: Taken) -> dict[str, float]:
    """Return what records of the log hold of an adversarial term."""
    if taken.adversarial is None:
        return {}
    loss, discriminator_loss, norm = taken.adversarial
    return {
        "adversarial_loss": loss,
        "discriminator_loss": discriminator_loss,
        "adversarial_gradient_norm": norm,
    }


def _images(before: Probe | None, flow: Flow) -> Tensor | None:
    """Return the images of the last probe, so that they need not be drawn again."""
    return None if before is None or before.reason else images_of(before, flow)
