"""Plans all cells of a suite in worker processes, since planning calls plugins, which may crash."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from flowzoo.bench.cell import CELLS, Cell
from flowzoo.bench.failure import explain_exit, last_lines
from flowzoo.bench.plan import unplanned
from flowzoo.bench.result import Failure, Result, ResultError, read_result
from flowzoo.bench.worker_process import WorkerProcess
from flowzoo.errors import OptionError
from flowzoo.program_process import Inbox, Message

BUILD_SECONDS = 120.0
"""Longest time to build one model. Loading its data has no limit."""


class PlanningProcess:
    """Plans cells in a worker process; after a crash, in another one.

    A cell whose planning raises, crashes or hangs gets a record that says so. It does not affect other cells.

    Args:
        cells: The cells to plan.
        device: A device, as :func:`~flowzoo.device.prepare_device` takes it.
        output: File for the output of plugins.
        told: Called with the number of cells that are planned.
        elsewhere: Whether the cells will run on other machines, so that this one need not have the device.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        device: str,
        output: Path,
        told: Callable[[int], None],
        *,
        elsewhere: bool = False,
    ) -> None:
        self.results: list[Result] = []
        """The records of the cells before anything is measured."""
        self.device = device
        """The device that was found."""
        self._cells = cells
        self._output = output
        self._told = told
        self._elsewhere = elsewhere

    def make(self) -> None:
        """Plan all cells.

        Raises:
            OptionError: There is no such device.
        """
        while len(self.results) < len(self._cells):
            self._plan_on()

    def _plan_on(self) -> None:
        """Plan the remaining cells, up to the first one that crashes or hangs."""
        first = len(self.results)
        cells = CELLS.dump_python(list(self._cells[first:]), mode="json")
        inbox: Inbox = queue.Queue()
        limit: float | None = None
        job = {"job": "plan", "device": self.device, "elsewhere": self._elsewhere, "cells": cells}
        with WorkerProcess(job, 1, self._output, inbox) as worker:
            while len(self.results) < len(self._cells):
                try:
                    _, message = inbox.get(timeout=limit)
                except queue.Empty:
                    reason = f"building the model took more than {BUILD_SECONDS:g} s"
                    self._fail(Failure("planning", "time-out", reason, last_lines(worker.printed())))
                    return
                if message is None:
                    self._fail(explain_exit("planning", worker.wait(), worker.printed()))
                    return
                self._take(message)
                limit = BUILD_SECONDS if "building" in message else None

    def _take(self, message: Message) -> None:
        if "refused" in message:
            raise OptionError(message["refused"])
        self.device = message.get("device", self.device)
        if "result" in message:
            try:
                self._add(read_result(message["result"]))
            except ResultError as error:
                self._fail(Failure("planning", "error", f"the plan cannot be recorded: {error}"))

    def _fail(self, failure: Failure) -> None:
        self._add(replace(unplanned(self._cells[len(self.results)]), failure=failure))

    def _add(self, result: Result) -> None:
        self.results.append(result)
        self._told(len(self.results))
