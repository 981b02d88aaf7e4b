"""Where a training is logged, besides its run folder's own log."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

from flowzoo.errors import OptionError, did_you_mean

LOGS = {"csv": "", "tensorboard": "tensorboard", "wandb": "wandb"}
"""The logs, with the library that each needs, an extra of flowzoo of the same name; empty for none."""

NONE = "none"
"""Asked for instead of a log, it ends the logs that a run was started with."""


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


def log_options(
    log: str | Iterable[str] | None, samples_every: int | None, before: LogOptions | None = None
) -> LogOptions:
    """Return the logs that are asked for.

    Args:
        log: A name of :data:`LOGS`, or several; None for those of ``before``.
        samples_every: As in :class:`LogOptions`; None for that of ``before``.
        before: The logs that the run was started with.

    Raises:
        OptionError: A log does not exist, its library is not installed, or the number is negative.
    """
    before = before or NO_LOG
    asked = before.writers if log is None else (log,) if isinstance(log, str) else tuple(log)
    names = tuple(dict.fromkeys(asked))
    if NONE in names:
        if len(names) > 1:
            raise OptionError(f"the log '{NONE}' stands for no log at all. Leave it out, or the others")
        names = ()
    for name in names:
        _require(name)
    if samples_every is not None and samples_every < 0:
        raise OptionError(
            f"samples cannot be drawn every {samples_every} validations. Give 1 or more, or 0 for none"
        )
    return LogOptions(names, before.samples_every if samples_every is None else samples_every)


def _require(name: str) -> None:
    if name not in LOGS:
        raise OptionError(f"no log '{name}'{did_you_mean(name, LOGS) or ';'} logs: {', '.join(LOGS)}")
    library = LOGS[name]
    if not library:
        return
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:  # a folder of that name is no library
        raise OptionError(
            f"the log '{name}' needs the library {library}, which is not installed. "
            f"Install it: pip install 'flowzoo[{library}]'"
        )
