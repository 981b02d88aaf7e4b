"""A process that computes its share of the steps that the leading one asks for."""

from __future__ import annotations

import logging
import socket
from contextlib import closing, suppress

import torch

from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.read_ahead import read_ahead
from flowzoo.device import prepare_device
from flowzoo.errors import FlowzooError, NumericalError
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import Provenance, changes, provenance_of
from flowzoo.rundata import load_run_data
from flowzoo.runfolder import RunRecord
from flowzoo.training.checkpoint import parse_checkpoint
from flowzoo.training.create import create_flow
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.training.together.leader import Order
from flowzoo.training.together.team import Team
from flowzoo.training.together.weights import digest_of_weights
from flowzoo.warm_start import WarmStart

_LOGGER = logging.getLogger("flowzoo")


def follow(team: Team, device: str, workers: int) -> None:
    """Compute steps until the leader ends.

    Args:
        team: The processes.
        device: As the leader's.
        workers: Number of processes that read images ahead.

    Raises:
        LostProcessError: Another process has ended.
        FlowzooError: A batch could not be read.
    """
    _LOGGER.setLevel(logging.ERROR)  # the leader warns for all
    order, *_ = team.hear(3)
    if order == Order.PREPARE:
        follower = _prepared(team, device, workers)
        if follower is None:
            team.hear(3)  # the leader ends then
        else:
            with closing(follower):
                _follow(team, follower)
    team.close()


def _follow(team: Team, follower: Follower) -> None:
    order, number, rate = team.hear(3)
    while order != Order.END:
        follower.obey(Order(int(order)), int(number), rate)
        order, number, rate = team.hear(3)


def _prepared(team: Team, device: str, workers: int) -> Follower | None:
    """Load what the leader's run needs; None if this process cannot, which the leader is told."""
    record = RunRecord.from_json(team.receive())
    try:
        follower = Follower(team, record, device, workers)
    except FlowzooError as error:
        team.settle(None, f"process {team.rank} on machine {socket.gethostname()}: {error}")
        return None
    team.settle(follower.device)
    return follower


class Follower:
    """Model, data and steps of a process that follows.

    Args:
        team: The processes.
        record: The record of the run.
        device: As the leader's.
        workers: Number of processes that read images ahead.

    Attributes:
        device: Where it trains.

    Raises:
        FlowzooError: Its machine lacks the images, the device, or the leader's software.
    """

    def __init__(self, team: Team, record: RunRecord, device: str, workers: int) -> None:
        self._team = team
        self.device = prepare_device(team.device(device))
        self._experiment = experiment = record.experiment
        then = record.provenance or Provenance()
        self._registry = then.bind(default_registry())
        differ = changes(then, provenance_of(self._registry, then.revisions), what="here")
        if differ:
            raise FlowzooError(
                f"other software than that of process 0: {', '.join(differ)}. Install the same flowzoo, "
                "plugins and torch on all machines"
            )
        self._dataset = load_run_data(record, None, ("train", "validation")).dataset
        self._flow = self._create()
        self._scoring: Flow | None = None
        self._generator = torch.Generator(device=self.device).manual_seed(experiment.seed)
        options = experiment.training
        source = read_ahead(self._dataset, workers, pin=self.device.type == "cuda").split("train")
        self._batches = ShuffledBatches(
            source,
            options.images_per_step,
            experiment.seed,
            self._dataset.info.flips,
            team.share_of(options.images_per_step),
        )
        finest = None if record.grown is None else record.grown.levels
        self._stages = plan_stages(self._flow, options, finest)
        self._step: TrainingStep | None = None

    def obey(self, order: Order, number: int, rate: float) -> None:
        """Do what the leader asks for.

        Args:
            order: What to do, other than to end.
            number: Number of a step in the stage.
            rate: Its learning rate.
        """
        if order == Order.BEGIN:
            self._begin(self._team.receive())
            return
        assert self._step is not None, "a stage begins before its steps"
        if order == Order.STEP:
            images, labels = self._batches.take()
            with suppress(NumericalError):  # the leader decides what follows
                self._step.take(images, rate, labels, number=number)
        elif order == Order.RETURN:
            self._return(self._team.receive())
        else:
            self._team.texts(digest_of_weights(self._trained))

    def close(self) -> None:
        """End the processes that read ahead."""
        self._batches.close()

    def _begin(self, checkpoint: bytes) -> None:
        position, saved = parse_checkpoint(checkpoint)
        stage = self._stages[position.stage]
        if stage.scoring:
            self._scoring = self._scoring or self._create(scoring=True)
        self._trained = self._scoring if stage.scoring and self._scoring else self._flow
        self._trained.load_state_dict(saved["model"])
        self._generator.set_state(saved["generator"]["state"])
        self._batches.restore(position.batches)
        options = self._experiment.training
        warm_start = WarmStart(self._trained, position.warm_start)
        self._step = TrainingStep(self._trained, stage, options, self._generator, warm_start, team=self._team)
        self._step.restore(saved)

    def _return(self, checkpoint: bytes) -> None:
        assert self._step is not None
        position, saved = parse_checkpoint(checkpoint)
        self._trained.load_state_dict(saved["model"])
        self._step.restore(saved)
        self._step.warm_start = WarmStart(self._trained, position.warm_start)

    def _create(self, scoring: bool = False) -> Flow:
        return create_flow(self._experiment, self._dataset, self.device, self._registry, scoring)
