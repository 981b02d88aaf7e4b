"""Where a training is logged, besides its run folder's own log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogOptions:
    """The logs of a training. They change no weights, so they are no part of its experiment.

    Attributes:
        writers: Names of the logs, such as ``csv``.
        samples_every: Number of validations from one picture of samples to the next; 0 for none. None draws
            samples with each validation while that is cheap, if there is a log.
    """

    writers: tuple[str, ...] = ()
    samples_every: int | None = None

    @property
    def draws_samples(self) -> bool:
        """Whether pictures of samples are drawn."""
        return bool(self.writers) if self.samples_every is None else self.samples_every > 0


NO_LOG = LogOptions()
"""Nothing but the run folder's own log."""
