"""The training loop of one stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

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
    TensorGroups,
    load_checkpoint,
    optimiser_tensors,
    save_checkpoint,
)
from flowzoo.training.clock import clock_of
from flowzoo.training.faults import IN_A_ROW, Faults
from flowzoo.training.good_state import GoodState
from flowzoo.training.log import TrainingLog
from flowzoo.training.rate import learning_rate
from flowzoo.training.reporter import Reporter
from flowzoo.training.samples import SampleLog
from flowzoo.training.stage import Stage
from flowzoo.training.stage_reports import StageReports
from flowzoo.training.step import NotFiniteError, Taken, TrainingStep
from flowzoo.training.stop import Interrupted, requested, saving_first
from flowzoo.training.together.leader import Leader
from flowzoo.warm_start import WarmStart

_LOGGER = logging.getLogger("flowzoo")

TRAIN_PER_VALIDATION = 5.0
"""Smallest ratio of training time to validation time, for a budget in seconds."""

CHECKPOINT_SECONDS = 60.0
"""Longest time in seconds between two checkpoints, up to one step."""

FEW_IMAGES = 32
"""If the loss is not finite from the start, a first pass over fewer images than this is the likely cause."""


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
        leader: Leads the other processes that train.
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
    leader: Leader


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
        self._leader = around.leader
        self._reports = StageReports(
            stage.name,
            stage.objective(flow),
            around.stages,
            around.experiment,
            around.reporter,
            around.log,
        )
        warm_start = WarmStart(flow, position.warm_start)
        team = around.leader.team
        self._step = TrainingStep(flow, stage, options, around.generator, warm_start, self._note, team)
        # If the budget was raised since the checkpoint, there are validations to do.
        due = int(budget.used(position.stage_step, position.stage_seconds) * options.validations)
        self._good = GoodState(around.folder, position.good)
        self._start = self.position = replace(position, validations=min(position.validations, due))
        self._clock = clock_of(options, flow.device)
        self._began = self._validated = self._clock()
        self._saved = time.monotonic()
        self._validation_seconds = 0.0
        self._validation_problem = ""
        self._probe: Probe | None = None

    def restore(self, saved: TensorGroups) -> None:
        """Restore optimiser and weight average from a checkpoint."""
        self._step.restore(saved)

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
        self._leader.begin(self._around.folder.checkpoint)
        while not self._finished():
            signal = requested() or self._leader.team.signal
            if signal is not None:
                self._save_checkpoint()
                raise Interrupted(signal, self.position.step)
            try:
                taken, rate, speed = self._take_step()
            except NumericalError as problem:
                if not self._stage.continues or self.position.best is None:
                    raise
                # The best model of earlier phases is kept.
                self._reports.log(self.position, {"ended": str(problem)})
                return self.position
            self._read_clock()
            used = min(1.0, self._budget.used(self.position.stage_step, self.position.stage_seconds))
            self._reports.step(self.position, taken, rate, speed, used)
            if self._validation_is_due(used):
                began = self._clock()
                figure = self._validate()
                began += self._draw_samples()
                done = int(used * self._options.validations)
                self.position = replace(self.position, validations=done)
                self._read_clock()
                self._save_checkpoint(good=figure and not self.position.faults.in_a_row)
                self._reports.after_validation()
                self._validated = self._clock()
                self._validation_seconds = self._validated - began
            elif time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self._save_checkpoint()
        if self.position.best is None and not self._stage.scoring:
            reason = f": {self._validation_problem}" if self._validation_problem else ""
            raise NumericalError(
                f"{self._stage.name}: no validation gave a finite figure{reason}. See "
                f"{self._around.folder.log}, and try a lower training.learning_rate"
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
        rate = learning_rate(self.position, self._budget, self._stage, self._options)
        taken = None
        number = self.position.stage_step
        self._leader.step(number, rate)
        try:
            taken = self._step.take(images, rate, labels, self._opposed(), number)
            faults = self.position.faults.after_step()
        except NumericalError as problem:
            faults = self._after_fault(problem)
        self.position = replace(
            self.position,
            step=self.position.step + 1,
            stage_step=self.position.stage_step + 1,
            faults=faults,
        )
        return taken, rate, self._options.images_per_step / (time.monotonic() - began)

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
            self._reports.log(self.position, {"skipped": str(problem)}, ahead=1)
        return self._go_back(str(problem)) if faults.persist else faults

    def _go_back(self, problem: str) -> Faults:
        """Restore the last good state, and go on from it with the next images at half the learning rate."""
        good, saved = load_checkpoint(self._good.path)
        self._flow.load_state_dict(saved["model"])
        self.restore(saved)
        self._leader.go_back(self._good.path)
        self._step.warm_start = WarmStart(self._flow, good.warm_start)
        faults = self.position.faults.after_skip().after_restoration()
        facts = {"went_back_to": good.step, "reason": problem}
        self._reports.log(self.position, facts, ahead=1)
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

    def _read_clock(self) -> None:
        """Update the times of the position."""
        elapsed = self._clock() - self._began
        self.position = replace(
            self.position,
            stage_seconds=self._start.stage_seconds + elapsed,
            seconds=self._start.seconds + elapsed,
        )

    def _validate(self) -> bool:
        """Measure the averaged weights, and keep them if they are the best so far.

        Returns:
            Whether there is a figure.

        With an adversarial term bits/dim are only part of what is minimised, so the latest ones are kept.
        """
        self._leader.compare(self._flow)
        report = self._reports.work("validation")
        try:
            validate = self._stage.validate
            bits, error = validate(self._step.average.flow, self._around.dataset, self._options, report)
        except NumericalError as problem:
            self._reports.log(self.position, {"validation_error": str(problem)})
            self._validation_problem = str(problem)
            return False
        self._reports.validation(self.position, bits, error)
        if self.position.best is None or bits < self.position.best or self._opposed():
            self.position = replace(self.position, best=bits)
            save_model(self._step.average.flow, self._around.folder.model)
        return True

    def _note(self, line: str) -> None:
        """Tell the user, and keep the line in the log."""
        self._around.reporter.note(line)
        self._reports.log(self.position, {"note": line}, ahead=1)

    def _draw_samples(self) -> float:
        """Draw samples, and stop the clock meanwhile. Return the seconds that it took."""
        report = self._reports.work("drawing samples")
        began = self._clock()
        self._around.samples.draw(self._step.average.flow, self._reports.where(self.position), report)
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


def _images(before: Probe | None, flow: Flow) -> Tensor | None:
    """Return the images of the last probe, so that they need not be drawn again."""
    return None if before is None or before.reason else images_of(before, flow)
