"""How this process was started: alone, or as one of several by torchrun or accelerate. Needs no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from flowzoo.errors import OptionError

_NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """The place of this process among those that were started together.

    Attributes:
        rank: Its number, from 0.
        count: Number of processes, on all machines.
        local: Its number on its machine.
        restarts: How often torchrun has started all of them again, after one ended.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    restarts: int = 0

    @property
    def follows(self) -> bool:
        """Whether another process leads."""
        return self.rank > 0


def launch() -> Launch:
    """Read from the environment how this process was started.

    Raises:
        OptionError: A variable is not a number.
    """
    given = {name: os.environ.get(name, "") for name in (*_NAMES, "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")}
    if not all(given[name] for name in _NAMES):
        return Launch()
    try:
        rank, count = int(given["RANK"]), int(given["WORLD_SIZE"])
        local, restarts = (int(given[name] or "0") for name in ("LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT"))
    except ValueError as error:
        raise OptionError(
            f"the environment says that several processes train together, but not how ({error}). Start them "
            "with torchrun or accelerate launch, or unset WORLD_SIZE"
        ) from error
    return Launch(rank, count, local, restarts) if count > 1 else Launch()
