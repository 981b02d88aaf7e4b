"""Which logs there are, and which are asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flowzoo.errors import OptionError, did_you_mean
from flowzoo.experiment.log_options import NO_LOG, LogOptions
from flowzoo.training.logs.csv_file import CsvFile
from flowzoo.training.logs.tensorboard import TensorBoard
from flowzoo.training.logs.weights_and_biases import WeightsAndBiases
from flowzoo.training.logs.writer import LogWriter, Opening


@dataclass(frozen=True)
class Log:
    """A kind of log.

    Attributes:
        open: Opens it.
        library: What it is written with, which is an extra of flowzoo of the same name; empty for none.
    """

    open: Callable[[Opening], LogWriter]
    library: str = ""


LOGS: Mapping[str, Log] = {
    "csv": Log(CsvFile),
    "tensorboard": Log(TensorBoard, "tensorboard"),
    "wandb": Log(WeightsAndBiases, "wandb"),
}

NONE = "none"
"""Asked for instead of a log, it ends the logs that a run was started with."""


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
    library = LOGS[name].library
    if not library:
        return
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:  # a folder of that name is no library
        raise OptionError(
            f"the log '{name}' needs the library {library}, which is not installed. "
            f"Install it: pip install 'flowzoo[{library}]'"
        )


def open_writers(names: Iterable[str], opening: Opening) -> dict[str, LogWriter]:
    """Return opened logs by name.

    Raises:
        OptionError: One of them cannot be opened; the others are closed.
    """
    opened: dict[str, LogWriter] = {}
    for name in names:
        try:
            opened[name] = LOGS[name].open(opening)
        except Exception as error:
            for writer in opened.values():
                writer.close()
            reason = " ".join(str(error).split()) or type(error).__name__
            advice = _ADVICE.get(name, "Train without it, or repair that first")
            raise OptionError(f"the log '{name}' cannot be opened: {reason}. {advice}") from error
    return opened


_ADVICE = {"wandb": "Log in with: wandb login. Or set WANDB_MODE=offline to send the log later"}
