"""Writes a trained model's encoder and decoder as files that need no flowzoo: ``torch.export`` or ONNX."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from flowzoo.errors import ExportError, OptionError, did_you_mean
from flowzoo.files import as_path, check_output, write_atomically
from flowzoo.flow import Flow
from flowzoo.loading import load_model
from flowzoo.sharing.onnx_file import require_libraries, run_onnx, to_onnx
from flowzoo.sharing.tracing import PARTS, Part, part_of, quietly, trace
from flowzoo.tensors import CAN_EXPORT

Format = Literal["torch-export", "onnx"]
SUFFIXES: dict[Format, str] = {"torch-export": ".pt2", "onnx": ".onnx"}

TOLERANCE = 1e-3
"""Largest difference from the model, relative to one plus the size of a value."""

TRACED = 3
"""Number of images in the batch that is traced."""

CHECKED = (1, 5)
"""Numbers of images in the batches that are compared: not the traced one, since any size must work."""


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        file: Where it is.
        part: What it holds: ``encoder`` or ``decoder``.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
        difference: Largest ``|a - b| / (1 + |b|)`` of a value ``a`` of the file and ``b`` of the model.
    """

    file: Path
    part: Part
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float


def export_model(
    model: str | os.PathLike[str] | Flow,
    file: str | os.PathLike[str],
    format: str | None = None,
    part: str | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Exported, ...]:
    """Write a model's encoder and decoder as graphs that run without flowzoo, on batches of any size.

    The encoder maps ``images``, ``(B, C, H, W)`` in ``[0, 1)``, to ``latent_0``, ``latent_1``, ..., finest
    first, and ``log_prob``, ``(B,)`` in nats. The decoder maps the latents to ``images``. Graphs compute on
    the CPU in the format of the weights. They hold no checks: the encoder takes values outside ``[0, 1)``
    too. Log-determinants are exact; nothing is estimated.

    What would be written is first compared with the model, on samples and their latents.

    Args:
        model: What :func:`flowzoo.load_model` takes, or a model in memory.
        file: Where to write. Two files are written, with ``-encoder`` and ``-decoder`` added to the name;
            with ``part``, the one file of this name.
        format: ``torch-export`` or ``onnx``; by default that of the file's name: ``.pt2`` or ``.onnx``.
        part: ``encoder`` or ``decoder``; by default both.
        tolerance: Largest difference that is accepted, relative to one plus the size of a value.

    Returns:
        What was written.

    Raises:
        OptionError: The format or the part is unknown, the format does not fit the file's name, or a file
            exists already.
        ExportError: The model is no graph, uses an operator that the format does not have, or the graph
            differs from the model; or a library is missing or too old. Nothing is written.
        SavedModelError: There is no such model.
        FileError: The system does not let the file be written.
    """
    path = as_path(file)
    kind = _format(path, format)
    parts = _parts(part)
    files = [path if part else path.with_name(f"{path.stem}-{each}{path.suffix}") for each in parts]
    for each in files:
        check_output(each)
        if each.exists():
            raise OptionError(f"the file {each} exists already. Delete it, or choose another name")
    if not CAN_EXPORT:
        raise ExportError(
            f"export needs torch 2.7 or newer, and {torch.__version__} is installed: pip install 'torch>=2.7'"
        )
    if kind == "onnx":
        require_libraries()
    # A copy on the CPU: what is traced must not change the model.
    flow = copy.deepcopy(model if isinstance(model, Flow) else load_model(model)).cpu().eval()
    made = [_export(flow, each, kind, tolerance) for each in parts]
    written: list[Path] = []
    try:
        for place, (content, _) in zip(files, made, strict=True):
            write_atomically(place, content)
            written.append(place)
    except BaseException:
        for place in written:
            place.unlink(missing_ok=True)
        raise
    return tuple(
        Exported(place, each, *_names(flow, each), difference)
        for place, each, (_, difference) in zip(files, parts, made, strict=True)
    )


def _export(flow: Flow, part: Part, kind: Format, tolerance: float) -> tuple[bytes, float]:
    """Return the content of a file, and how far it is from the model."""
    what = f"the {part} of {flow.recipe.model if flow.recipe else 'this model'}"
    module = part_of(flow, part)
    example = _arguments(flow, part, TRACED)
    with torch.no_grad():
        module(*example)  # parts read their flags, which are values, and say what is wrong with the model
    program = trace(module, example, what)
    compute: Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
    if kind == "onnx":
        content = to_onnx(program, example, *_names(flow, part), what)

        def compute(given: Sequence[Tensor]) -> tuple[Tensor, ...]:
            return run_onnx(content, given)
    else:
        content = _saved(program)
        with quietly():
            graph = torch.export.load(
                io.BytesIO(content)
            ).module()  # our own bytes, as they will be in the file

        def compute(given: Sequence[Tensor]) -> tuple[Tensor, ...]:
            return _as_tuple(graph(*given))

    difference = max(_difference(module, compute, _arguments(flow, part, images)) for images in CHECKED)
    if not difference <= tolerance:
        raise ExportError(
            f"{what} differs from the model by {difference:.2g} after the export, which is more than "
            f"{tolerance:g}. Nothing was written. Choose another format, or a larger tolerance"
        )
    return content, difference


def _saved(program: torch.export.ExportedProgram) -> bytes:
    buffer = io.BytesIO()
    with quietly():
        torch.export.save(program, buffer)
    return buffer.getvalue()


@torch.no_grad()
def _arguments(flow: Flow, part: Part, images: int) -> tuple[Tensor, ...]:
    """Return samples, or the latents that they are decoded from."""
    if part == "decoder":
        return tuple(flow.draw_latents(images))
    below_one = 1.0 - torch.finfo(flow.dtype).eps
    return (flow.sample(images, seed=0).to(flow.dtype).clamp(0.0, below_one),)


@torch.no_grad()
def _difference(
    module: nn.Module, compute: Callable[[Sequence[Tensor]], tuple[Tensor, ...]], given: Sequence[Tensor]
) -> float:
    pairs = zip(compute(given), _as_tuple(module(*given)), strict=True)
    apart = [((a - b).abs() / (1.0 + b.abs())).max() for a, b in pairs if b.numel()]
    return float(torch.stack([each.double() for each in apart]).max())


def _as_tuple(found: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _names(flow: Flow, part: Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a part's inputs and outputs."""
    latents = tuple(f"latent_{place}" for place in range(len(flow.latent_shapes)))
    return (("images",), (*latents, "log_prob")) if part == "encoder" else (latents, ("images",))


def _format(path: Path, asked: str | None) -> Format:
    by_suffix = {suffix: name for name, suffix in SUFFIXES.items()}
    found = by_suffix.get(path.suffix)
    if asked is None:
        if found is None:
            raise OptionError(
                f"the name {path.name} does not say the format. Let it end in .pt2 (torch.export) or .onnx"
            )
        return found
    for name in get_args(Format):
        if asked == name:
            if path.suffix != SUFFIXES[name]:
                raise OptionError(f"a file of the format {name} ends in {SUFFIXES[name]}. Rename {path.name}")
            chosen: Format = name
            return chosen
    raise OptionError(
        f"there is no format '{asked}'{did_you_mean(asked, SUFFIXES)}. Choose {' or '.join(SUFFIXES)}"
    )


def _parts(asked: str | None) -> tuple[Part, ...]:
    if asked is None:
        return PARTS
    for part in PARTS:
        if asked == part:
            return (part,)
    raise OptionError(f"there is no part '{asked}'{did_you_mean(asked, PARTS)}. Choose {' or '.join(PARTS)}")
