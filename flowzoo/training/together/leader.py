"""What the leading process asks of the others.

An order is three numbers; the bytes of a file follow some of them.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Self

import torch

from flowzoo.errors import FlowzooError, OptionError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.runfolder import RunRecord
from flowzoo.training.together.team import Team
from flowzoo.training.together.weights import digest_of_weights


class Order(IntEnum):
    """What the others have to do next."""

    END = 0
    """End."""
    PREPARE = 1
    """Load the model and the data of a record that follows."""
    BEGIN = 2
    """Begin or continue a stage at a checkpoint that follows."""
    STEP = 3
    """Take a step: its number in the stage, and its learning rate."""
    RETURN = 4
    """Go back to the weights of a checkpoint that follows."""
    COMPARE = 5
    """Compare weights with the leader's."""


class Leader:
    """Leads the other processes of a training; alone, it does nothing.

    All decisions are the leader's, so that the clock, signals and files count in one place. As a context
    manager, it lets the others end.

    Args:
        team: The processes.
    """

    def __init__(self, team: Team) -> None:
        self.team = team

    @classmethod
    def alone(cls) -> Self:
        """Return a leader without others."""
        return cls(Team.alone())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if not self.team.is_alone:
            self.team.leave(Order.END, 0, 0)

    def prepare(self, record: RunRecord, device: torch.device) -> None:
        """Let the others load what a run needs.

        Raises:
            FlowzooError: A process cannot, such as one without the images.
        """
        if self.team.is_alone:
            return
        self.team.tell(Order.PREPARE, 0, 0)
        self.team.send(record.to_json())
        problems = self.team.settle(device)
        if problems:
            raise FlowzooError(problems[0])

    def begin(self, checkpoint: Path) -> None:
        """Let the others begin or continue a stage at the state of a checkpoint, which was just written."""
        self._with_file(Order.BEGIN, checkpoint)

    def step(self, number: int, rate: float) -> None:
        """Let the others take a step with this process."""
        if not self.team.is_alone:
            self.team.tell(Order.STEP, number, rate)

    def go_back(self, checkpoint: Path) -> None:
        """Let the others go back to the weights of a checkpoint."""
        self._with_file(Order.RETURN, checkpoint)

    def compare(self, flow: Flow) -> None:
        """Compare the weights of all processes.

        Raises:
            FlowzooError: They differ.
        """
        if self.team.is_alone:
            return
        self.team.tell(Order.COMPARE, 0, 0)
        own, *others = self.team.texts(digest_of_weights(flow))
        for rank, digest in enumerate(others, 1):
            if digest != own:
                raise FlowzooError(
                    f"process {rank} has other weights than process 0, so they do not compute the same. "
                    "Train on devices of the same kind, and go on from the last checkpoint with --resume"
                )

    def _with_file(self, order: Order, path: Path) -> None:
        if not self.team.is_alone:
            self.team.tell(order, 0, 0)
            self.team.send(path.read_bytes())


def require_shares(options: TrainingOptions, processes: int) -> None:
    """Refuse a step that so many processes cannot share.

    Raises:
        OptionError: It does not have as many batches for each, or there is an adversarial term.
    """
    if processes > 1 and options.adversarial is not None:
        raise OptionError(
            f"training.adversarial={options.adversarial} needs a single process, and {processes} were "
            "started. Start one, or leave training.adversarial out"
        )
    if options.accumulate % processes:
        fitting = [count for count in range(1, options.accumulate + 1) if not options.accumulate % count]
        batch = max(1, options.images_per_step // processes)
        raise OptionError(
            f"{processes} processes cannot share the training.accumulate={options.accumulate} batches of a "
            f"step equally. Set training.accumulate={processes} and training.batch_size={batch}, or start "
            f"{' or '.join(map(str, fitting))} process(es)"
        )
