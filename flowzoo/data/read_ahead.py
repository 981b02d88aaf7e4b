"""Reading images ahead in other processes, so that training does not wait for files to be decoded."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from flowzoo.data.dataset import Dataset, ImageSource, Inspection
from flowzoo.errors import DataError, FlowzooError, OptionError
from flowzoo.integers import as_integer
from flowzoo.origin import mark, origin_of
from flowzoo.shapes import IntegerImages

_LOGGER = logging.getLogger("flowzoo")

T = TypeVar("T")


def read_ahead(dataset: Dataset, workers: int, pin: bool = False) -> Dataset:
    """Return a data set whose batches are read by worker processes, two for each of them in advance.

    The images and their order are the same. What lies in memory needs no workers.

    Args:
        dataset: The data set.
        workers: Number of processes; 0 reads in this one.
        pin: Put batches in pinned memory, from which they are copied to a GPU faster.

    Raises:
        OptionError: ``workers`` is no number of processes.
    """
    count = as_integer(workers)
    if count is None or count < 0:
        raise OptionError(f"workers is {workers!r:.40}; give an integer of at least 0")
    if not count:
        return dataset
    sources = {
        name: source if source.in_memory else ReadAhead(source, count, pin)
        for name, source in dataset.splits.items()
    }
    if all(source.in_memory for source in sources.values()):
        _LOGGER.warning("workers are not used: the images of %s lie in memory", dataset.info.name)
    return replace(dataset, splits=sources)


class ReadAhead(ImageSource):
    """The images of a source, read by worker processes where they are read in order.

    Args:
        source: The images.
        workers: Number of processes.
        pin: As in :func:`read_ahead`.
    """

    def __init__(self, source: ImageSource, workers: int, pin: bool) -> None:
        self._source = source
        self._workers = workers
        self._pin = pin
        mark(self, origin_of(source))

    def __len__(self) -> int:
        return len(self._source)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        return self._source.take(indices)

    def inspect(self, indices: Sequence[int]) -> Inspection:
        return self._source.inspect(indices)

    def stream(self, batches: Iterable[Sequence[int]]) -> Iterator[IntegerImages]:
        return _in_workers(self._source.take, batches, self._workers, self._pin)

    def inspections(self, batches: Iterable[Sequence[int]]) -> Iterator[Inspection]:
        return _in_workers(self._source.inspect, batches, self._workers)


@contextmanager
def explaining_lost_workers() -> Iterator[None]:
    """Say what to do where the system ended a worker. torch raises its error in the middle of anything."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        said = str(error).splitlines()[0].rstrip(". ")
        raise DataError(
            f"a process that reads images ended ({said}), most likely because memory ran out. "
            "Use fewer --workers, or a smaller batch"
        ) from error


def _in_workers(
    read: Callable[[Sequence[int]], T], batches: Iterable[Sequence[int]], workers: int, pin: bool = False
) -> Iterator[T]:
    """Yield what a function returns for each batch of indices, in order."""
    loader = DataLoader(
        _Reader(read),
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=_leave_signals_alone,
        generator=torch.Generator(),  # otherwise it draws from the global one
    )
    for found in loader:
        if isinstance(found, FlowzooError):
            raise found
        yield found


class _Reader(TorchDataset[Any], Generic[T]):
    """Reads a batch in a worker. Users' errors are returned, since torch adds a traceback to raised ones."""

    def __init__(self, read: Callable[[Sequence[int]], T]) -> None:
        self._read = read

    def __getitem__(self, indices: Sequence[int]) -> T | FlowzooError:
        try:
            return self._read(indices)
        except FlowzooError as problem:
            return problem


def _as_it_is(found: T) -> T:
    return found


def _leave_signals_alone(worker: int) -> None:
    """Let Ctrl-C, which reaches all processes of a terminal, be handled by the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
