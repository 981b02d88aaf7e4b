"""The program ``flowzoo``: its commands, and how its errors look."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import flowzoo
from flowzoo.cli import streams
from flowzoo.cli.bench import app as bench
from flowzoo.cli.check import check
from flowzoo.cli.command import add_command
from flowzoo.cli.compare import compare
from flowzoo.cli.console import complain
from flowzoo.cli.diagnose import diagnose
from flowzoo.cli.evaluate import evaluate
from flowzoo.cli.list import list_components
from flowzoo.cli.plugins import plugins
from flowzoo.cli.sample import sample
from flowzoo.cli.show import show
from flowzoo.cli.splits import splits
from flowzoo.cli.train import train
from flowzoo.cli.upscale import upscale
from flowzoo.errors import FlowzooError
from flowzoo.files import refusal
from flowzoo.origin import blamed, raised_in

USAGE_ERROR = 2
INTERRUPTED = 130
UNREAD = 141
"""As a shell reports a program that was ended because nobody reads what it prints."""


class _Commands(TyperGroup):
    """Shows a user's mistake as one line, and a traceback only with ``--debug``."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            streams.abandon()
            raise typer.Exit(UNREAD) from error
        except (FlowzooError, OSError) as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            complain(f"error: {_in_words(error)}")
            raise typer.Exit(USAGE_ERROR) from error
        except (Exception, SystemExit) as error:  # sys.exit in a plugin must not end the program unsaid
            if ctx.params["debug"] or not raised_in(error):
                raise
            complain(f"error: {_fault(error)}")
            raise typer.Exit(USAGE_ERROR) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from error


def _in_words(error: FlowzooError | OSError) -> str:
    """Return an error in one line; one of the system that names no file is a fault of ours, and is raised."""
    if isinstance(error, FlowzooError):
        return blamed(error)
    if error.filename is None or error.errno is None:
        if not raised_in(error):
            raise error
        return _fault(error)
    return f"cannot use {error.filename}: {refusal(error)}"


def _fault(error: BaseException) -> str:
    """Return what went wrong inside a component."""
    return (
        f"{blamed(error)}. Report this to whoever publishes that component; "
        "flowzoo --debug COMMAND shows the traceback"
    )


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
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
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A zoo of multi-scale normalising flows for images."""


add_command(app, "list", list_components, "flowzoo list 'msflow-*' --kind model")
add_command(app, "show", show, "flowzoo show mrcnf --image-shape 3x32x32 --set levels=4")
add_command(app, "train", train, "flowzoo train mrcnf --data digits --out runs/first --seconds 60")
add_command(
    app,
    "evaluate",
    evaluate,
    "flowzoo evaluate runs/first",
    "flowzoo evaluate runs/first --images 100 --no-audit  (a quick look)",
)
add_command(
    app,
    "compare",
    compare,
    "flowzoo compare runs/first runs/second",
    "flowzoo compare runs/first runs/second --images 1000 --plot curves.png",
)
add_command(app, "diagnose", diagnose, "flowzoo diagnose runs/first")
add_command(app, "sample", sample, "flowzoo sample runs/first -n 64 -o samples.png")
add_command(app, "upscale", upscale, "flowzoo upscale runs/first --steps 2 -o upscaled.png")
add_command(app, "splits", splits, "flowzoo splits runs/first -o splits.png")
app.add_typer(bench, name="bench")
add_command(app, "plugins", plugins, "flowzoo plugins --strict")
add_command(app, "check", check, "flowzoo check haar --kind transform")


def main() -> None:
    """Run the command line."""
    streams.prepare()
    try:
        app(prog_name="flowzoo")
    except OSError as error:  # help or the version, which do not fit where they are written
        complain(f"error: cannot write to standard output: {refusal(error)}")
        streams.abandon()
        sys.exit(USAGE_ERROR)
