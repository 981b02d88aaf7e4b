"""Arguments of the commands that work on a trained model: where it is, and which images to use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelArgument = Annotated[
    Path,
    typer.Argument(help="Run folder (the --out of flowzoo train), or a saved model."),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Name of the data set to use; its options are set with --set data.KEY=VALUE. A saved model "
        "needs one.",
        show_default="the data set of the run",
    ),
]
