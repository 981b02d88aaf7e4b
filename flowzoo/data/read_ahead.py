"""Reading images ahead in other processes, so that training does not wait for files to be decoded."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import wait
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowzoo.data.dataset import Dataset, ImageSource, Inspection
from flowzoo.errors import DataError, FlowzooError, OptionError
from flowzoo.integers import as_integer
from flowzoo.origin import mark, origin_of
from flowzoo.shapes import IntegerImages

_LOGGER = logging.getLogger("flowzoo")

_AHEAD = 2
"""Number of batches that wait or are being read, for each worker."""

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

    @property
    def labels(self) -> Tensor | None:
        return self._source.labels

    def take(self, indices: Sequence[int]) -> IntegerImages:
        return self._source.take(indices)

    def inspect(self, indices: Sequence[int]) -> Inspection:
        return self._source.inspect(indices)

    def stream(self, batches: Iterable[Sequence[int]]) -> Iterator[IntegerImages]:
        for images in self._in_workers(_take, batches):
            found = torch.from_numpy(images)
            yield found.pin_memory() if self._pin else found

    def inspections(self, batches: Iterable[Sequence[int]]) -> Iterator[Inspection]:
        for images, damaged, changed in self._in_workers(_inspect, batches):
            yield Inspection(torch.from_numpy(images), damaged, changed)

    def _in_workers(
        self, read: Callable[[Sequence[int]], T], batches: Iterable[Sequence[int]]
    ) -> Iterator[T]:
        """Yield what a function returns for each batch of indices, in order."""
        pool = ProcessPoolExecutor(self._workers, initializer=_begin, initargs=(self._source,))
        remaining = iter(batches)
        waiting: deque[Future[T]] = deque()
        try:
            waiting.extend(pool.submit(read, each) for each in islice(remaining, _AHEAD * self._workers))
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(pool.submit(read, each) for each in islice(remaining, 1))
                yield found
        except BrokenProcessPool as error:
            raise DataError(
                "a process that reads images was ended by the system, most likely because memory ran out. "
                "Use fewer --workers, or a smaller batch"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_SOURCES: list[ImageSource] = []
"""The source that this process reads from, if it is a worker. Tensors would be sent by file descriptors."""


def _take(indices: Sequence[int]) -> NDArray[np.uint8]:
    with _sendable_errors():
        images: NDArray[np.uint8] = _SOURCES[0].take(indices).numpy()
    return images


def _inspect(indices: Sequence[int]) -> tuple[NDArray[np.uint8], tuple[str, ...], Counter[str]]:
    with _sendable_errors():
        found = _SOURCES[0].inspect(indices)
    return found.images.numpy(), found.damaged, found.changed


@contextmanager
def _sendable_errors() -> Iterator[None]:
    """Turn errors that may not be sent to another process into one that can."""
    try:
        yield
    except FlowzooError:
        raise
    except Exception as error:
        raise DataError(f"images could not be read: {type(error).__name__}: {error}") from None


def _begin(source: ImageSource) -> None:
    """Prepare a worker: one thread, no reaction to Ctrl-C, which reaches all processes of a terminal."""
    _SOURCES[:] = [source]
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent was killed and could not end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "workers have a parent"
    wait([parent.sentinel])
    os._exit(1)
