"""Opens logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flowzoo.errors import OptionError
from flowzoo.training.logs.csv_file import CsvFile
from flowzoo.training.logs.tensorboard import TensorBoard
from flowzoo.training.logs.weights_and_biases import WeightsAndBiases
from flowzoo.training.logs.writer import LogWriter, Opening

WRITERS: Mapping[str, Callable[[Opening], LogWriter]] = {
    "csv": CsvFile,
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}
"""The writer of each of :data:`flowzoo.experiment.log_options.LOGS`."""


def open_writers(names: Iterable[str], opening: Opening) -> dict[str, LogWriter]:
    """Return opened logs by name.

    Raises:
        OptionError: One of them cannot be opened; the others are closed.
    """
    opened: dict[str, LogWriter] = {}
    for name in names:
        try:
            opened[name] = WRITERS[name](opening)
        except Exception as error:
            for writer in opened.values():
                writer.close()
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            advice = _ADVICE.get(name, "Train without it, or repair that first")
            raise OptionError(f"the log '{name}' cannot be opened: {reason}. {advice}") from error
    return opened


_ADVICE = {"wandb": "Log in with: wandb login. Or set WANDB_MODE=offline to send the log later"}
