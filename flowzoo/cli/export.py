"""``flowzoo export``: a trained model's encoder and decoder as files that need no flowzoo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.subject import ModelArgument


def export(
    model: ModelArgument,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="File to write, ending in .pt2 (torch.export) or .onnx. Two files are written: -encoder and "
            "-decoder are added to the name, unless --part chooses one.",
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="Format: torch-export or onnx.", show_default="by the end of the file's name"
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", help="Export only this part: encoder or decoder.", show_default="both"),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            min=0.0,
            help="Largest difference from the model, relative to one plus the size of a value. If it is "
            "larger, nothing is written.",
        ),
    ] = 1e-3,
) -> None:
    """Write a trained model's encoder and decoder as graphs that run without flowzoo.

    The encoder maps images in [0, 1) to latents and log p(x) in nats. The decoder maps latents to images.
    Both take batches of any size. The graphs are compared with the model before they are written. An export
    takes seconds for a small model, and minutes for a large one.

    ONNX needs more libraries: pip install 'flowzoo[onnx]'
    """
    from flowzoo.sharing.export import export_model

    for each in export_model(model, output, format_, part, tolerance):
        say(f"wrote {each.file}: {', '.join(each.inputs)} -> {', '.join(each.outputs)}")
        say(f"  largest difference from the model: {each.difference:.1e}")
