"""What all commands have in common: how they are made, how their paths are read, where their output goes."""

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
from flowzoo.component import Component
from flowzoo.errors import OptionError


class Command(TyperCommand):
    """A command whose standard output holds its results alone, and whose paths may begin with ``~``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # What is typed so far in a shell that asks for completions may be incomplete.
        for before, argument in pairwise(["", *([] if ctx.resilient_parsing else args)]):
            option, separator, value = argument.partition("=")
            if not argument or (option.startswith("--") and separator and not value):
                named = option or (before if before.startswith("-") else "an argument")
                raise OptionError(
                    f"the value of {named} is empty. Give one, and check that shell variables are set"
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        assert self.callback is not None, "every command has a function"
        for name, hint in get_type_hints(inspect.unwrap(self.callback)).items():
            given = ctx.params.get(name)
            if Path in (hint, *get_args(hint)) and given is not None:
                # A shell leaves ~ as it is in --out=~/runs and inside quotes.
                several = isinstance(given, (list, tuple))
                ctx.params[name] = [_expanded(path) for path in given] if several else _expanded(given)
        with results_alone():
            return super().invoke(ctx)


def _expanded(path: Any) -> Any:
    return type(path)(os.path.expanduser(path))


def add_command(app: typer.Typer, name: str, function: Callable[..., None], example: str) -> None:
    """Add a command to a program.

    Args:
        app: The program, or a group of its commands.
        name: The command's name.
        function: What the command does; its arguments are the command's.
        example: A command line that is shown below the help, or several, one on each line; empty for none.
    """
    says = "\n\n".join(map(_one_line, (inspect.getdoc(function) or "").split("\n\n")))
    epilog = "\n\n".join(f"Example: {line}" for line in example.splitlines())
    app.command(name, cls=Command, help=says, epilog=epilog or None)(function)


def import_command(component: Component, name: str) -> Any:
    """Import a command of flowzoo's or of a plugin.

    Args:
        component: Its ``build`` names a function whose arguments are the command's, or a Typer app.
        name: The name under which the command is called.

    Raises:
        PluginError: It cannot be imported.
    """
    from flowzoo.registry.signature import import_builder

    build = import_builder(component)
    if isinstance(build, typer.Typer):
        made: Any = typer.main.get_group(build)
    else:
        alone = typer.Typer(add_completion=False)
        add_command(alone, name, build, component.example)
        made = typer.main.get_command(alone)
    made.name = name
    return made


def _one_line(paragraph: str) -> str:
    """Return a paragraph of a docstring in one line, which is wrapped where it is shown."""
    return paragraph if paragraph.startswith(" ") else " ".join(paragraph.split())
