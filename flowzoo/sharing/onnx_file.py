"""ONNX, through the libraries of the extra ``onnx``, which are imported when they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from flowzoo.errors import ExportError
from flowzoo.sharing.folding import fold
from flowzoo.sharing.tracing import quietly, trace


def require_libraries() -> None:
    """Refuse to begin without the libraries.

    Raises:
        ExportError: One is not installed.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            importlib.import_module(name)
        except ImportError as reason:
            raise ExportError(
                f"ONNX needs the library {name}, which is not installed: pip install 'flowzoo[onnx]'"
            ) from reason


def to_onnx(
    program: ExportedProgram,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    what: str,
) -> bytes:
    """Return a graph as an ONNX model.

    Args:
        program: The graph.
        example: Its arguments for one batch.
        inputs: Names of the arguments.
        outputs: Names of the results.
        what: The graph, for the error.

    Raises:
        ExportError: It uses an operator that ONNX does not have.
    """
    with torch.no_grad(), quietly():
        folded = trace(fold(program.module()), example, what)
        try:
            found = torch.onnx.export(
                folded, dynamo=True, verbose=False, input_names=inputs, output_names=outputs
            )
        except Exception as error:  # the errors of the converter are private
            raise ExportError(f"{what} cannot be exported to ONNX: {_reason(error)}") from error
    assert found is not None, "dynamo=True returns a program"
    content: bytes = found.model_proto.SerializeToString()
    return content


def run_onnx(content: bytes, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return what ONNX Runtime computes on the CPU."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    named = zip(session.get_inputs(), arguments, strict=True)
    found = session.run(None, {given.name: value.numpy() for given, value in named})
    return tuple(torch.from_numpy(each) for each in found)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    operators = [word.strip("]=,") for word in str(cause).split("target=")[1:2]]
    if operators:
        return f"ONNX has no operator for {operators[0].split(']')[0]}. Use --format torch-export"
    return f"{str(cause).strip().splitlines()[0][:200]}. Use --format torch-export"
