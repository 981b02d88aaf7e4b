"""What all commands have in common: how their paths are read, and where their output goes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from flowzoo.cli.streams import results_alone
from flowzoo.errors import OptionError


class Command(TyperCommand):
    """A command whose standard output holds its results alone, and whose paths may begin with ``~``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for before, argument in pairwise(["", *args]):
            option, separator, value = argument.partition("=")
            if not argument or (option.startswith("--") and separator and not value):
                named = option or (before if before.startswith("-") else "an argument")
                raise OptionError(f"the value of {named} is empty; give one (is a shell variable not set?)")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        assert self.callback is not None, "every command has a function"
        for name, hint in get_type_hints(inspect.unwrap(self.callback)).items():
            path = ctx.params.get(name)
            if Path in (hint, *get_args(hint)) and path is not None:
                # A shell leaves ~ as it is in --out=~/runs and inside quotes.
                ctx.params[name] = type(path)(os.path.expanduser(path))
        with results_alone():
            return super().invoke(ctx)


def add_command(app: typer.Typer, name: str, function: Callable[..., None], example: str) -> None:
    """Add a command to a program.

    Args:
        app: The program, or a group of its commands.
        name: Of the command.
        function: Does it; its arguments are the command's.
        example: A command line that stands below the help.
    """
    app.command(name, cls=Command, help=_paragraphs(function), epilog=f"Example: {example}")(function)


def _paragraphs(function: Callable[..., None]) -> str:
    """Return a docstring with each paragraph in one line, which a narrow terminal can wrap."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)
