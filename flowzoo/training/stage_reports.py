"""What a stage tells of its progress: records of the log, and what the reporter receives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowzoo.experiment.experiment import Experiment
from flowzoo.training.checkpoint import Position
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter, WorkReport
from flowzoo.training.step import Taken

LOG_EVERY = 10
"""Number of steps between two records of the training loss."""


class StageReports:
    """Reports the steps and validations of one stage.

    Args:
        stage: Name of the stage.
        objective: What it minimises.
        stages: Number of stages of the training.
        experiment: The experiment.
        reporter: Receives the progress.
        log: The run's own log.
    """

    def __init__(
        self,
        stage: str,
        objective: str,
        stages: int,
        experiment: Experiment,
        reporter: Reporter,
        log: TrainingLog,
    ) -> None:
        self._stage = stage
        self._objective = objective
        self._stages = stages
        self._steps = experiment.budget.steps
        self._images_per_step = experiment.training.images_per_step
        self._reporter = reporter
        self._log = log
        self._validation: tuple[int, float] | None = None
        self._progress: Progress | None = None

    def log(self, position: Position, facts: Mapping[str, Any], ahead: int = 0) -> None:
        """Write a record: where the training is, or will be some steps later, and facts."""
        self._log.append({**self.where(position, ahead), **facts})

    def where(self, position: Position, ahead: int = 0) -> dict[str, Any]:
        """Return what all records hold."""
        step = position.step + ahead
        return {
            "step": step,
            "seconds": round(position.seconds, 3),
            "images": step * self._images_per_step,
            "stage": self._stage,
        }

    def step(self, position: Position, taken: Taken | None, rate: float, speed: float, used: float) -> None:
        """Report a step.

        Args:
            position: Where the training is after it.
            taken: What it found; None if it was skipped.
            rate: Its learning rate.
            speed: Images per second.
            used: Fraction of the stage's budget that is used up.
        """
        self._progress = Progress(
            stage=self._stage,
            step=position.step,
            used=used,
            seconds=position.seconds,
            seconds_left=position.stage_seconds * (1.0 / used - 1.0),
            loss=taken and taken.loss,
            images_per_second=speed,
            bits_per_dim=self._validation and self._validation[1],
            steps=self._steps,
            validated_at=self._validation and self._validation[0],
            stages=self._stages,
            adversarial_loss=taken and taken.adversarial and taken.adversarial.loss,
            discriminator_loss=taken and taken.adversarial and taken.adversarial.discriminator_loss,
        )
        self._reporter.update(self._progress)
        if taken is not None and position.stage_step % LOG_EVERY == 0:
            self.log(
                position,
                {
                    "objective": self._objective,
                    "loss": taken.loss,
                    "learning_rate": rate,
                    "gradient_norm": taken.gradient_norm,
                    "images_per_second": round(speed, 1),
                    "counts": {**taken.ledger.counts, **_skipped(position)},
                    **_adversarial(taken),
                },
            )

    def work(self, name: str) -> WorkReport:
        """Return what reports the progress of work after a step, such as a validation."""
        assert self._progress is not None, "a step comes first"
        return WorkReport(self._reporter, name, self._progress)

    def validation(self, position: Position, bits: float, error: float) -> None:
        """Report the figure of a validation, in bits/dim, and its standard error."""
        self._validation = position.step, bits
        self.log(position, {"validation_bits_per_dim": bits, "validation_standard_error": error})

    def after_validation(self) -> None:
        """Show the last step again, with the validation that followed it."""
        if self._progress is None or self._validation is None:
            return
        step, bits = self._validation
        self._reporter.update(replace(self._progress, bits_per_dim=bits, validated_at=step))


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
