"""A model's encoder and decoder as modules of their own, and as graphs of ``torch.export``."""

from __future__ import annotations

import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from flowzoo.call import Call
from flowzoo.errors import ExportError, FlowzooError
from flowzoo.flow import Flow
from flowzoo.shapes import Images
from flowzoo.solving import Solving

Part = Literal["encoder", "decoder"]
PARTS: tuple[Part, ...] = ("encoder", "decoder")

_CALL = Call(solver=Solving(exact=True))  # an estimate would draw random numbers


class Encoder(nn.Module):
    """Maps images ``(B, C, H, W)`` in ``[0, 1)`` to their latents, finest first, and ``log p(x)``."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, images: Images) -> tuple[Tensor, ...]:
        latents, terms = self.flow.analyse(images, _CALL)
        return (*latents, terms.total())


class Decoder(nn.Module):
    """Maps latents, finest first, to images ``(B, C, H, W)``."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, *latents: Images) -> Images:
        return self.flow.decode(latents, _CALL)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what torch prints, logs and warns of on the way from the user: its errors say all that matters."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def part_of(flow: Flow, part: Part) -> nn.Module:
    """Return a model's encoder or decoder."""
    return Encoder(flow) if part == "encoder" else Decoder(flow)


def trace(module: nn.Module, example: Sequence[Tensor], what: str) -> ExportedProgram:
    """Return a module as a graph for batches of any size.

    Args:
        module: The module.
        example: Its arguments for one batch, of at least two images.
        what: The module, for the error.

    Raises:
        ExportError: Its computation is no graph; the message says why.
    """
    by_argument: Any = tuple({0: Dim("batch", min=1)} for _ in example)
    try:
        with torch.no_grad(), quietly():
            shapes = (by_argument,) if isinstance(module, Decoder) else by_argument
            program = torch.export.export(module, tuple(example), dynamic_shapes=shapes, strict=False)
            # Regions without autocast become calls of graphs, which torch cannot load again.
            decomposed: ExportedProgram = program.run_decompositions({})
            return decomposed
    except FlowzooError as error:
        raise ExportError(f"{what} cannot be exported: {error}") from error
    except Exception as error:  # torch raises many kinds, some of them private
        raise ExportError(f"{what} cannot be exported: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error)
    if "data-dependent" in text:
        return (
            f"what it computes depends on values of the images{_place(error)}, and a graph's steps are fixed"
        )
    if "specialized it to be a constant" in text:
        return (
            "a part fixes the number of images in a batch. In its code, write x.shape[0] instead of len(x), "
            "and do not convert the number of images to int"
        )
    lines = text.strip().splitlines()
    return f"torch.export refuses it{_place(error)}: {lines[0][:200] if lines else type(error).__name__}"


def _place(error: Exception) -> str:
    """Return the innermost line that is not torch's."""
    torchs = str(Path(torch.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        each for each in frames if not each.filename.startswith((torchs, "<")) and each.filename != __file__
    ]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
