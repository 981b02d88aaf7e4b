"""What a training measures its time with."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import TrainingOptions

Clock = Callable[[], float]
"""Returns seconds since some moment; only differences mean something."""


def clock_of(options: TrainingOptions, device: torch.device) -> Clock:
    """Return the clock that a training asks for.

    Raises:
        OptionError: It asks for the processor's time, and the model is not on the CPU.
    """
    if options.clock == "wall":
        return time.monotonic
    if device.type != "cpu":
        raise OptionError(
            f"training.clock=processor measures the CPU alone, and the model is on {device}. "
            "Leave it out, or train with --device cpu"
        )
    return time.process_time
