"""A command."""

from typing import Annotated

import typer

from flowzoo.api import Component, hookimpl, say

flowzoo_api_version = 2


def sizes(data: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Print how many images each split of a data set has."""
    from flowzoo.api import load_dataset

    for split, count in load_dataset(data).info.sizes.items():
        say(f"{split} {count}")


@hookimpl
def flowzoo_components() -> list[Component]:
    summary = "Print how many images each split of a data set has."
    return [Component("command", "sizes", f"{__name__}:sizes", summary, example="flowzoo sizes digits")]
