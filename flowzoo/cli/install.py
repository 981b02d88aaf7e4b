"""``flowzoo install``: runs pip for a plugin of the directory."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sys
from typing import Annotated

import typer

from flowzoo.cli.console import complain, say
from flowzoo.errors import OptionError, PluginError
from flowzoo.registry.directory import find_listed
from flowzoo.registry.loader import default_registry


def install(
    name: Annotated[str, typer.Argument(help="Name of the plugin, as flowzoo plugins --available shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Install without a question.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command, and do not run it.")] = False,
) -> None:
    """Install a plugin of flowzoo's directory with pip, into the environment that runs flowzoo.

    A plugin is a program: it can do all that you can do. Look at its home page first.
    """
    listed = find_listed(name)
    command = [sys.executable, "-m", "pip", "install", listed.pip]
    if dry_run:
        say(shlex.join(command))
        return
    if default_registry().installed(listed.name) is not None:
        say(f"{listed.name} is installed already")
        return
    if importlib.util.find_spec("pip") is None:
        raise PluginError(
            f"this environment has no pip. Install {shlex.quote(listed.pip)} with the tool that made it"
        )
    if not yes:
        if not sys.stdin.isatty():
            raise OptionError("cannot ask, since standard input is no terminal. Give --yes to install")
        complain(f"{listed.name}: {listed.summary}. {listed.home}")
        typer.confirm(f"Run {shlex.join(command)}?", abort=True, err=True)
    done = subprocess.run(command)
    if done.returncode:
        raise PluginError(f"pip could not install {listed.name}. Its own message stands above")
    say(f"installed {listed.name}. Next: flowzoo plugins")
