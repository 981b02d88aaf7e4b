"""The loss of a stage of training, compiled by torch.compile."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
import types
import warnings
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from flowzoo.call import Call, Ledger
from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.random_source import Drawn, Prepared, Recorded, draw_again
from flowzoo.shapes import IntegerImages
from flowzoo.training.precision import autocast
from flowzoo.training.stage import Stage

Note = Callable[[str], object]
"""Receives a line for the user."""


def require_compiler(options: TrainingOptions, device: torch.device) -> None:
    """Refuse ``training.compile`` where torch.compile has no compiler.

    Raises:
        OptionError: It is asked for, and the device is of another kind than the CPU and CUDA, or a compiler
            is missing; the message says what to install.
    """
    if not options.compile:
        return
    off = "or leave training.compile out"
    if device.type == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        if shutil.which(compiler) is None:
            raise OptionError(
                f"training.compile=true needs the C++ compiler {compiler}, which is not installed. Install "
                f"it (on Debian and Ubuntu: apt-get install g++), {off}"
            )
    elif device.type != "cuda":
        raise OptionError(
            f"training.compile=true works on the CPU and on CUDA, and the model is on {device}. Leave it out"
        )
    elif importlib.util.find_spec("triton") is None:
        raise OptionError(
            f"training.compile=true needs triton on CUDA. Install it (pip install triton), {off}"
        )


@final
class CompiledLoss:
    """Computes a stage's loss as one graph of torch.compile.

    The first batch of each shape goes through the model as it is. Checks of the model are made then, and it
    shows which random numbers the loss needs. Those of later batches are drawn before the graph runs, from
    the same generator in the same order, since a graph cannot draw by a generator. If the loss or its
    gradient cannot be compiled as one graph, both are computed as they are, and the user is told once.

    Args:
        flow: The model. It stays as it is: no module is wrapped, so its tensors keep their names.
        stage: The stage.
        options: Options of the training.
        note: Receives lines about compiling.
        backend: Backend of torch.compile.
    """

    def __init__(
        self,
        flow: Flow,
        stage: Stage,
        options: TrainingOptions,
        note: Note,
        backend: str | Callable[..., Any] = "inductor",
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._precision = options.precision
        self._note = note
        self._drawn: dict[Any, list[Drawn]] = {}
        self._compiled: set[Any] = set()
        self._began: float | None = None
        self._uncompiled: Callable[[], Tensor] | None = None
        # A gradient in memory of a CUDA graph is lost when the next batch runs, so it cannot be added up.
        self._replays = flow.device.type == "cuda" and options.accumulate == 1
        mode = "reduce-overhead" if self._replays and backend == "inductor" else None
        self._function: Callable[..., tuple[Tensor, dict[str, float]]] | None = torch.compile(
            _own_code(self._graph), backend=backend, mode=mode, fullgraph=True, dynamic=False
        )

    def add_gradient(self, images: IntegerImages, call: Call, share: float) -> Tensor:
        """Add a share of the gradient, and return that share of the loss, ``()``, in bits/dim.

        Errors are those of :meth:`flowzoo.flow.Flow.batch_loss`.
        """
        loss = self._loss(images, call) * share
        try:
            loss.backward()
        except RuntimeError as error:
            if self._uncompiled is None:
                raise
            uncompiled = self._uncompiled
            self._give_up("the gradient of the loss", error)
            loss = uncompiled() * share
            loss.backward()
        if self._began is not None:
            self._note(f"{self._stage.name}: compiled in {time.monotonic() - self._began:.0f} s")
        self._began = self._uncompiled = None
        return loss

    def _loss(self, images: IntegerImages, call: Call) -> Tensor:
        assert isinstance(call.generator, torch.Generator), "a step draws by one generator"
        key = images.shape, images.dtype, call.labels is None
        if self._function is None:
            return self._plain(images, call)
        if key not in self._drawn:
            recorded = Recorded(call.generator)
            loss = self._plain(images, call.drawing_from(recorded))
            self._drawn[key] = recorded.drawn
            return loss
        draws = draw_again(self._drawn[key], call.generator)
        if key not in self._compiled:  # its gradient is compiled too, when it is first computed
            apart, _ = call.collecting()
            self._uncompiled = lambda: self._plain(images, apart.drawing_from(Prepared(draws)))
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\._inductor")
            self._note(f"{self._stage.name}: compiling, which can take minutes")
            self._began = time.monotonic()
        try:
            if self._replays:
                torch.compiler.cudagraph_mark_step_begin()
            prepared = Prepared(draws)
            labels = self._flow.hiding_labels(call.drawing_from(prepared), len(images)).labels
            loss, counts = self._function(images, labels, call.solver, prepared.left)
        except RuntimeError as error:
            self._give_up("the loss", error)
            return self._plain(images, call.drawing_from(Prepared(draws)))
        self._compiled.add(key)
        for name, amount in counts.items():
            call.count(name, amount)
        return loss.clone() if self._replays else loss

    def _give_up(self, what: str, error: RuntimeError) -> None:
        self._function = self._began = self._uncompiled = None
        self._note(
            f"{self._stage.name}: torch.compile cannot make one graph of {what}, so training goes on without "
            f"it. torch's reason: {_reason(error)}"
        )

    def _plain(self, images: IntegerImages, call: Call) -> Tensor:
        with autocast(self._precision, self._flow.device):
            return self._stage.loss(self._flow, images, call)

    def _graph(
        self, images: IntegerImages, labels: Tensor | None, solver: Any, draws: list[Tensor]
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss and what components have counted."""
        ledger = Ledger()
        call = Call(mode="train", ledger=ledger, solver=solver, labels=labels, source=Prepared(draws))
        with autocast(self._precision, self._flow.device):
            loss = self._stage.checked_loss(self._flow, images, call)
        return loss, ledger.counts


def _own_code(method: Any) -> Any:
    """Return a method with its own copy of the code: torch limits how often one piece is compiled."""
    function = method.__func__
    copied = types.FunctionType(function.__code__.replace(), function.__globals__, function.__name__)
    return types.MethodType(copied, method.__self__)


def _reason(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
