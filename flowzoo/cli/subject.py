"""Arguments that several commands share: the model, its images, and where and how to compute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.completion import names_of, runs_and_models

ModelArgument = Annotated[
    Path,
    typer.Argument(
        help="Run folder (the --out of flowzoo train), a saved model, a name of flowzoo list --pretrained, "
        "or hf-hub:OWNER/NAME@REVISION.",
        autocompletion=runs_and_models,
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Name of the data set to use; its options are set with --set data.KEY=VALUE. A saved model "
        "needs one.",
        show_default="the data set of the run",
        autocompletion=names_of("dataset"),
    ),
]
WorkersOption = Annotated[
    int,
    typer.Option(
        "--workers",
        min=0,
        help="Number of processes that read and decode images ahead. They change nothing but the time.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:1 or mps.")]
BatchSizeOption = Annotated[
    int, typer.Option("--batch-size", min=1, help="Number of images at once. Lower it if memory runs out.")
]
DrawSeedOption = Annotated[
    int, typer.Option("--seed", help="Random seed. The same seed draws the same images.")
]
ExactOption = Annotated[
    bool | None,
    typer.Option(
        "--exact/--estimate",
        help="Compute the trace of continuous flows exactly, or estimate it, which is faster.",
        show_default="exact up to 64 dimensions",
    ),
]
