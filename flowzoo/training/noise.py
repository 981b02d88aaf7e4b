"""The generators of the noise in a training step."""

from __future__ import annotations

import torch

from flowzoo.digest import digest_of


class StepNoise:
    """Gives each batch of a step the generator of its noise.

    Where a step is one batch, all noise comes from one stream. Where it is several, each batch has noise of
    its own, which follows from the seed, the stage, the step and the batch's number alone. So a batch can be
    computed in any process, and the step is the same.

    Args:
        stream: The stream. Its seed is that of the batches' own noise.
        stage: Name of the stage.
        batches: Number of batches in a step.
    """

    def __init__(self, stream: torch.Generator, stage: str, batches: int) -> None:
        self._stream = stream
        self._stage = stage
        self._own = torch.Generator(stream.device) if batches > 1 else None
        self.begin(0)

    def begin(self, step: int) -> None:
        """Begin a step of the stage."""
        self._step = step
        self._before = self._stream.get_state()

    def of(self, batch: int) -> torch.Generator:
        """Return the generator of a batch of the step, by its number; use it before the next one's."""
        if self._own is None:
            return self._stream
        return self._own.manual_seed(self._seed(batch))

    def again(self, first: int) -> torch.Generator:
        """Return a generator of the same noise as that of the first batch that was computed of this step."""
        repeated = torch.Generator(self._stream.device)
        if self._own is not None:
            return repeated.manual_seed(self._seed(first))
        repeated.set_state(self._before)
        return repeated

    def _seed(self, batch: int) -> int:
        return int(digest_of([self._stream.initial_seed(), self._stage, self._step, batch], 15), 16)
