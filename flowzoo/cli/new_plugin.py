"""``flowzoo new-plugin``: the folder of a new plugin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.component import KINDS


def new_plugin(
    name: Annotated[str, typer.Argument(help="Name of the plugin and of its components, such as my-flow.")],
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help=f"A kind of component that the plugin brings: {', '.join(KINDS)}. Can be repeated. "
            "The default is bijector.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="New or empty folder. The default is flowzoo-NAME.", show_default=False),
    ] = None,
    author: Annotated[
        str, typer.Option("--author", help="Your name, for the licence and the metadata.", show_default=False)
    ] = "",
) -> None:
    """Make the folder of a new plugin, with working components and their tests.

    It holds a component of each kind that --kind names (a bijector by default), tests by the conformance kit,
    a workflow for GitHub, a README and a licence. Replace the example's formula by your own.
    """
    from flowzoo.scaffold.make import new_plugin as make

    folder = make(name, kinds or ["bijector"], out, author)
    say(f"made {folder}. Next: cd {shlex.quote(str(folder))} && pip install -e '.[test]' && pytest")
