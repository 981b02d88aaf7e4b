"""The program ``flowzoo``: its commands, and how its errors look."""

from __future__ import annotations

import sys
import traceback
from contextlib import nullcontext, suppress
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

import flowzoo
from flowzoo.builtin.components.commands import COMMANDS
from flowzoo.cli import streams
from flowzoo.cli.command import import_command
from flowzoo.cli.completion import is_completing, silence
from flowzoo.cli.console import complain
from flowzoo.component import Component
from flowzoo.errors import FlowzooError
from flowzoo.files import refusal
from flowzoo.origin import blamed, raised_in
from flowzoo.registry.loader import default_registry
from flowzoo.training.together.launch import launch

UsageError: Any = typer.BadParameter.__base__
"""What Typer raises for a mistake in a command line; newer versions of it have a click of their own."""

USAGE_ERROR = 2
INTERRUPTED = 130
UNREAD = 141
"""As a shell reports a program that was ended because nobody reads what it prints."""


BUILT_IN = {each.name: each for each in COMMANDS}


class _Commands(TyperGroup):
    """The commands of flowzoo and of its plugins; one is imported when it is called, and no earlier.

    A user's mistake is shown as one line, and a traceback only with ``--debug``.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        with silence() if is_completing() else nullcontext():
            found = default_registry().names("command")
        return [*BUILT_IN, *(name for name in found if name not in BUILT_IN)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command as the list of commands shows it."""
        return TyperCommand(cmd_name, help=_find(cmd_name).summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that arguments begin with, imported, and the other arguments."""
        if is_completing():
            with silence():
                return self._resolve(ctx, args)
        return self._resolve(ctx, args)

    def _resolve(self, ctx: Any, args: list[str]) -> Any:
        name, *rest = args
        component = _find(name)
        if component is not BUILT_IN.get(name):
            ctx.obj = f"command '{name}' of {default_registry().plugin_of(component).distribution}"
        return name, import_command(component, name), rest

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            _refuse(error)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            _refuse(error)
        except BrokenPipeError as error:
            streams.abandon()
            raise typer.Exit(UNREAD) from error
        except (FlowzooError, OSError) as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            complain(f"error: {_in_words(error)}")
            raise typer.Exit(USAGE_ERROR) from error
        except (typer.Exit, typer.Abort):
            raise
        except (Exception, SystemExit) as error:  # sys.exit in a plugin must not end the program unsaid
            command = ctx.obj if isinstance(error, Exception) else None
            if ctx.params["debug"] or not (raised_in(error) or command):
                raise
            complain(f"error: {_fault(error, command)}")
            raise typer.Exit(USAGE_ERROR) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from error


def _find(name: str) -> Component:
    """Return the component of a command; plugins are loaded only for a command that is not built in."""
    return BUILT_IN.get(name) or default_registry().find("command", name)


def _refuse(error: Any) -> NoReturn:
    """Say in one line what is wrong with a command line. One without arguments is answered by its help."""
    message = error.format_message()
    if "\n" in message or error.ctx is None:
        raise error
    first = message[:1].lower() + message[1:].rstrip(".")
    if launch().follows:  # the process that leads was given the same command line
        raise typer.Exit(USAGE_ERROR) from error
    complain(f"error: {first}; see '{error.ctx.command_path} --help'")
    raise typer.Exit(USAGE_ERROR) from error


def _in_words(error: FlowzooError | OSError) -> str:
    """Return an error in one line; one of the system that names no file is a fault of ours, and is raised."""
    if isinstance(error, FlowzooError):
        return blamed(error)
    if error.filename is None or error.errno is None:
        if not raised_in(error):
            raise error
        return _fault(error)
    return f"cannot use {error.filename}: {refusal(error)}"


def _fault(error: BaseException, command: str | None = None) -> str:
    """Return what went wrong inside a component, or in a plugin's command."""
    failed = blamed(error) if raised_in(error) or not command else f"{command} failed: {blamed(error)}"
    return (
        f"{failed}. This is a mistake in that component: report it to its author. "
        "To see the traceback: flowzoo --debug COMMAND"
    )


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: flowzoo list",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flowzoo {flowzoo.__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the Python traceback if a command fails.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A zoo of multi-scale normalising flows for images."""


def main() -> None:
    """Run the command line."""
    streams.prepare()
    if is_completing():
        with suppress(Exception):  # nobody asked for a traceback by pressing Tab
            app(prog_name="flowzoo")
        sys.exit(1)
    try:
        app(prog_name="flowzoo")
    except OSError as error:  # help or the version, which do not fit where they are written
        complain(f"error: cannot write to standard output: {refusal(error)}")
        streams.abandon()
        sys.exit(USAGE_ERROR)
