"""The trainer: makes the first pass over the data, and trains the stages of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.digest import digest_of
from flowzoo.errors import OptionError, SavedModelError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import LogOptions
from flowzoo.experiment.settings import settings_of
from flowzoo.flow import Flow
from flowzoo.origin import naming_the_component
from flowzoo.registry.drift import refuse_drift
from flowzoo.registry.loader import default_registry
from flowzoo.registry.probe import read_probe
from flowzoo.registry.provenance import Provenance
from flowzoo.registry.saving import load_model, save_model
from flowzoo.runfolder import NEW_RUN, RunFolder
from flowzoo.scoring import fit_splits
from flowzoo.training.apart.join import join_levels
from flowzoo.training.checkpoint import Position, TensorGroups, load_checkpoint, restoring, save_checkpoint
from flowzoo.training.clock import clock_of
from flowzoo.training.compiled_loss import require_compiler
from flowzoo.training.labels import require_labels
from flowzoo.training.log import TrainingLog
from flowzoo.training.logs.mirror import Mirror
from flowzoo.training.logs.open_writers import open_writers
from flowzoo.training.logs.writer import Opening
from flowzoo.training.loop import Surroundings, TrainingLoop
from flowzoo.training.passes import Passes
from flowzoo.training.reporter import Reporter
from flowzoo.training.samples import SampleLog
from flowzoo.training.stage import Stage, plan_stages
from flowzoo.training.together.leader import Leader, require_shares

FIRST_PASS_SHARE = 0.5
"""Largest part of a budget in seconds that the first pass over the data uses up, so that something trains."""


@dataclass(frozen=True)
class TrainingResult:
    """The cost of a training.

    Attributes:
        steps: Number of steps in all.
        seconds: Time spent in all, with the first pass over the data and validation.
    """

    steps: int
    seconds: float


class Trainer:
    """Trains a flow on a data set into a run folder.

    Args:
        flow: The model; trained in place, and left with the best weights.
        make_scoring: Makes the model that gathers the scores which splits of ``flow`` may need.
        dataset: The data set; its train and validation splits are used.
        folder: Folder for model, log and checkpoint.
        experiment: Its training options, budget and seed are used; the stages share the budget. A checkpoint
            of another experiment is refused.
        fingerprint: The experiment's, with names as the run means them.
        reporter: Receives the progress.
        log: The logs that the records of the run's own log are copied to, and how often samples are drawn.
        finest: Train only so many levels, the finest ones; None for all.
        only: Place of the only level that trains, of those that train one after another; None for all.
        leader: Leads the other processes that train; None for this one alone.

    Attributes:
        steps: Number of steps so far, including those before a checkpoint.

    Raises:
        OptionError: Levels that depend on each other are to be trained separately, bijectors that train
            together have different phases, the budget has fewer steps than there are stages, the images
            have more classes than the model, or there is no compiler for ``training.compile``.
        DataError: The model has classes, and the images have no labels.
    """

    def __init__(
        self,
        flow: Flow,
        make_scoring: Callable[[], Flow],
        dataset: Dataset,
        folder: RunFolder,
        experiment: Experiment,
        fingerprint: str,
        reporter: Reporter,
        log: LogOptions,
        finest: int | None = None,
        only: int | None = None,
        leader: Leader | None = None,
    ) -> None:
        require_labels(flow, dataset)
        self._leader = leader or Leader.alone()
        require_shares(experiment.training, self._leader.team.count)
        require_compiler(experiment.training, flow.device)
        self.steps = 0
        self._flow = flow
        self._make_scoring = make_scoring
        self._scoring: Flow | None = None
        self._dataset = dataset
        self._folder = folder
        self._options = options = experiment.training
        self._reporter = reporter
        self._log_options = log
        self._clock = clock_of(options, flow.device)
        self._generator = torch.Generator(device=flow.device).manual_seed(experiment.seed)
        self._batches = ShuffledBatches(
            dataset.split("train"),
            options.images_per_step,
            experiment.seed,
            dataset.info.flips,
            self._leader.team.share_of(options.images_per_step),
        )
        stages = plan_stages(flow, options, finest)
        budgets = experiment.budget.divide([stage.share for stage in stages])
        kept = [index for index, stage in enumerate(stages) if only is None or stage.levels == (only,)]
        self._stages = [stages[index] for index in kept]
        self._budgets = [budgets[index] for index in kept]
        self._passes = Passes(
            dataset, options, self._generator, reporter, experiment.budget.steps, len(self._stages)
        )
        self._fingerprint = fingerprint
        self._experiment = experiment
        self._restored: tuple[Position, TensorGroups] | None = None
        self._begun: Position | None = None

    @property
    def levels_apart(self) -> list[int]:
        """Places of the levels that train one after another, in their order.

        Raises:
            OptionError: The model trains as a whole, or nothing of it trains by steps.
        """
        if not self._stages:
            raise OptionError("this model has nothing to train by steps. Leave --parallel out")
        if any(stage.whole for stage in self._stages):
            raise OptionError(
                "this model trains as a whole: it has a single level, or splits that need scores first. "
                "Leave --parallel out"
            )
        return list(dict.fromkeys(stage.levels[0] for stage in self._stages))

    @property
    def stages(self) -> int:
        """Number of stages, which train one after another."""
        return len(self._stages)

    @property
    def first_validation(self) -> float | None:
        """Steps or seconds, as the budget has them, until there is a model; None if only at the end."""
        before = 0.0
        for stage, budget in zip(self._stages, self._budgets, strict=True):
            if not stage.scoring:
                return before + budget.part(1.0 / self._options.validations)
            before += budget.part(1.0)
        return None

    def save_beginning(self, path: Path) -> None:
        """Make the first pass over the data, and save the model after it for :meth:`begin_at`."""
        self._begun = self._begin()
        save_checkpoint(
            path,
            self._begun,
            {"model": self._flow.state_dict(), "generator": {"state": self._generator.get_state()}},
        )

    def join(self, folders: Mapping[int, RunFolder]) -> TrainingResult:
        """Put together levels that trained apart, as if they had trained one after another.

        Args:
            folders: The folder of each level by its place, in the order of :attr:`levels_apart`.

        Raises:
            SavedModelError: The model or the checkpoint of a level is missing or damaged.
            FileError: A file cannot be written; the levels' own stay.
        """
        assert self._begun is not None, "levels train apart from a common beginning"
        join_levels(self._flow, self._folder, folders, self._begun)
        self.restore(None)
        assert self._restored is not None, "a checkpoint was written"
        self._open_logs().close()
        position = self._restored[0]
        self.steps = position.step
        return TrainingResult(position.step, position.seconds)

    def begin_at(self, path: Path) -> None:
        """Let :meth:`train` begin where :meth:`save_beginning` ended.

        Raises:
            SavedModelError: The file is damaged.
        """
        self._begun, saved = load_checkpoint(path)
        with restoring(path):
            self._flow.load_state_dict(saved["model"])
            self._generator.set_state(saved["generator"]["state"])

    def restore(self, then: Provenance | None) -> None:
        """Let :meth:`train` continue from the checkpoint, if there is one.

        Args:
            then: What the run was trained with, which the error names if the model computes something else
                now; None to skip that check.

        Raises:
            SavedModelError: The checkpoint is damaged or of another experiment, or the
                model computes something else than when the checkpoint was written.
        """
        self._folder.tidy()
        if not self._folder.checkpoint.exists():
            return
        position, saved = load_checkpoint(self._folder.checkpoint)
        if position.fingerprint != self._fingerprint:
            raise SavedModelError(
                f"{self._folder.path}/run.json holds another experiment than its checkpoint was trained for: "
                "it was edited, or a very early flowzoo wrote it. Undo the edit, or start a new run"
            )
        flow = self._flow_of(self._stages[position.stage])
        with restoring(self._folder.checkpoint):
            flow.load_state_dict(saved["model"])
            self._generator.set_state(saved["generator"]["state"])
        if then is not None:
            self._check(flow, position, then)
        self._batches.restore(position.batches)
        self._restored = position, saved

    def _check(self, flow: Flow, position: Position, then: Provenance) -> None:
        """Refuse a model that computes something else than its checkpoint's, or than the best one so far."""
        where = str(self._folder.path)
        if position.probe is not None:
            probe = read_probe(position.probe, self._folder.checkpoint)
            refuse_drift(flow, probe, then, default_registry(), where, NEW_RUN)
        elif self._folder.model.exists():  # the checkpoint is from before there were probes
            load_model(self._folder.model, device=str(flow.device))

    @naming_the_component()
    def train(self, checkpointed: Callable[[Position], object]) -> TrainingResult:
        """Train until the budget is used up.

        Args:
            checkpointed: Called with every position from which training can continue.

        Raises:
            NumericalError: The loss is not finite; the best model so far and the checkpoint stay.
        """
        try:
            mirror = self._open_logs()
            try:
                return self._train(checkpointed, TrainingLog(self._folder.log, mirror.record))
            finally:
                mirror.close()
        finally:
            self._batches.close()

    def _open_logs(self) -> Mirror:
        """Drop what the run's own log has of steps after the checkpoint, and open the other logs."""
        log = TrainingLog(self._folder.log)
        sent = max((record["step"] for record in log.read()), default=-1)
        step, seconds = 0, 0.0
        if self._restored is not None:
            step, seconds = self._restored[0].step, self._restored[0].seconds
        opening = Opening(self._folder, seconds, sent, settings_of(self._experiment))
        mirror = Mirror(open_writers(self._log_options.writers, opening), self._folder.path)
        log.rewind(step)
        for record in log.read():
            mirror.record(record)
        return mirror

    def _train(self, checkpointed: Callable[[Position], object], log: TrainingLog) -> TrainingResult:
        saved: TensorGroups | None
        if self._restored is not None:
            position, saved = self._restored
        else:
            position, saved = self._begun or self._begin(), None
        samples = SampleLog(self._log_options, self._folder, log, self._options.validation_batch_size)
        samples.drop_later(position.step)
        around = Surroundings(
            self._dataset,
            self._batches,
            self._generator,
            self._folder,
            self._experiment,
            self.stages,
            self._reporter,
            log,
            samples,
            self._leader,
        )
        remaining = slice(position.stage, None)
        for stage, budget in zip(self._stages[remaining], self._budgets[remaining], strict=True):
            flow = self._flow_of(stage)
            if stage.parameters(flow):
                if saved is None:
                    self._seed_for(stage)
                left = budget.less(position.first_pass * stage.share)
                loop = TrainingLoop(flow, stage, left, position, around)
                if saved is not None:
                    with restoring(self._folder.checkpoint):
                        loop.restore(saved)
                try:
                    position = loop.run(checkpointed)
                finally:
                    self.steps = loop.position.step
            saved = None
            position = self._finish(stage, position)
        if not self._folder.model.exists():  # it has nothing to train
            save_model(self._flow, self._folder.model)
        return TrainingResult(position.step, position.seconds)

    def _seed_for(self, stage: Stage) -> None:
        """Give a level random numbers and batches of its own, so that it may train beside the others."""
        if stage.whole or stage.continues:
            return
        seed = int(digest_of([self._experiment.seed, "level", *stage.levels], 15), 16)
        self._generator.manual_seed(seed)
        self._batches.restore({**self._batches.state(), "seed": seed, "epoch": 0, "position": 0})

    def _begin(self) -> Position:
        """Make the first pass over the data for the model that trains first."""
        began = self._clock()
        first = self._flow_of(self._stages[0]) if self._stages else self._flow
        self._passes.first(first)
        if first is not self._flow:
            self._passes.try_scores(self._flow, first)
        elapsed = self._clock() - began
        seconds = self._experiment.budget.seconds
        paid = 0.0 if seconds is None else min(elapsed, FIRST_PASS_SHARE * seconds)
        return Position(
            fingerprint=self._fingerprint,
            stage=0,
            stage_step=0,
            stage_seconds=0.0,
            step=0,
            seconds=elapsed,
            validations=0,
            best=None,
            batches=self._batches.state(),
            warm_start={},
            first_pass=paid,
        )

    def _finish(self, stage: Stage, position: Position) -> Position:
        """Finish a stage, and return the position at which the next one begins."""
        began = self._clock()
        if stage.scoring:
            fit_splits(self._flow, self._passes.scores(self._flow, self._flow_of(stage), position.step))
            self._scoring = None
            self._passes.first(self._flow)
        else:
            best = load_model(self._folder.model, device=str(self._flow.device), check=False)
            self._flow.load_state_dict(best.state_dict())
        following = self._stages[position.stage + 1 : position.stage + 2]
        continued = any(stage.continues for stage in following)
        return replace(
            position,
            stage=position.stage + 1,
            stage_step=0,
            stage_seconds=0.0,
            seconds=position.seconds + self._clock() - began,
            validations=0,
            best=position.best if continued else None,
            warm_start={},
            faults=position.faults.after_stage(),
        )

    def _flow_of(self, stage: Stage) -> Flow:
        if not stage.scoring:
            return self._flow
        self._scoring = self._scoring or self._make_scoring()
        return self._scoring
