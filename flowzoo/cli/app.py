"""The program ``flowzoo``: its commands, and how its errors look."""

from __future__ import annotations

import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import flowzoo
from flowzoo.cli.bench import app as bench
from flowzoo.cli.check import check
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
from flowzoo.origin import blamed, raised_in

USAGE_ERROR = 2
INTERRUPTED = 130


class _Commands(TyperGroup):
    """Shows a user's mistake as one line, and a traceback only with ``--debug``."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FlowzooError as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            complain(f"error: {blamed(error)}")
            raise typer.Exit(USAGE_ERROR) from error
        except (Exception, SystemExit) as error:  # sys.exit in a plugin must not end the program unsaid
            if ctx.params["debug"] or not raised_in(error):
                raise
            complain(
                f"error: {blamed(error)}. Report this to whoever publishes that component; "
                "flowzoo --debug COMMAND shows the traceback"
            )
            raise typer.Exit(USAGE_ERROR) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from error


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


app.command("list", epilog="Example: flowzoo list 'msflow-*' --kind model")(list_components)
app.command("show", epilog="Example: flowzoo show mrcnf --image-shape 3x32x32 --set levels=4")(show)
app.command("train", epilog="Example: flowzoo train mrcnf --data digits --out runs/first --seconds 60")(train)
app.command("evaluate", epilog="Example: flowzoo evaluate runs/first")(evaluate)
app.command("diagnose", epilog="Example: flowzoo diagnose runs/first")(diagnose)
app.command("sample", epilog="Example: flowzoo sample runs/first -n 64 -o samples.png")(sample)
app.command("upscale", epilog="Example: flowzoo upscale runs/first --steps 2 -o upscaled.png")(upscale)
app.command("splits", epilog="Example: flowzoo splits runs/first -o splits.png")(splits)
app.add_typer(bench, name="bench")
app.command("plugins", epilog="Example: flowzoo plugins --strict")(plugins)
app.command("check", epilog="Example: flowzoo check haar --kind transform")(check)


def main() -> None:
    """Run the command line."""
    app(prog_name="flowzoo")
