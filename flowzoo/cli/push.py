"""``flowzoo push``: a trained model on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.completion import run_folders
from flowzoo.cli.console import say


def push(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder (the --out of flowzoo train), or a saved model.", autocompletion=run_folders
        ),
    ],
    name: Annotated[str, typer.Argument(help="Name of the model on the hub: hf-hub:OWNER/NAME.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a repository that only its owner can read.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            help="Licence of the model, for example apache-2.0, cc-by-nc-4.0 or other.",
            show_default="the licence of the images, if it is an open one",
        ),
    ] = None,
) -> None:
    """Upload a trained model to the Hugging Face hub, with a card that describes it, in one commit.

    The card is made from the run's record: the data set, the options, a picture of samples, and the figure
    of evaluation-test.json if the run folder has one. So run flowzoo evaluate first. Only the configuration,
    the weights, the card and the picture are uploaded.

    Log in first: hf auth login
    """
    from flowzoo.sharing.push import push_model

    pushed = push_model(run, name, private=private, licence=licence)
    say(f'uploaded. To load it: flowzoo.load_model("{pushed}")')
