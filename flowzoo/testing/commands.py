"""Checks of commands: they can be imported, and their help is complete."""

from __future__ import annotations

import inspect
import shlex
import typing
from collections.abc import Callable, Iterator
from typing import Any

from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial


def can_be_imported(trial: Trial) -> None:
    """The component's ``build`` is a function, or a Typer app with commands."""
    functions = _functions(trial)
    require(bool(functions), f"'{trial.component.build}' is neither a function nor a Typer app with commands")


def explains_itself(trial: Trial) -> None:
    """Every command has a docstring, and each of its arguments and options that is not hidden a help text."""
    for function in _functions(trial):
        name = getattr(function, "__name__", "the command")
        require(bool(inspect.getdoc(function)), f"{name} has no docstring, which its --help would show")
        for argument, marks in _arguments(function).items():
            described = any(getattr(each, "help", "") or getattr(each, "hidden", False) for each in marks)
            require(
                described, f"the argument '{argument}' of {name} has no help text; give its Annotated one"
            )


def gives_an_example(trial: Trial) -> None:
    """The component's example is a command line of this command, and its options exist."""
    component = trial.component
    words = shlex.split(component.example)
    require(
        words[:2] == ["flowzoo", component.name],
        f"the example is {component.example!r:.60}, expected a command line: flowzoo {component.name} ...",
    )
    known = {name for function in _functions(trial) for name in _option_names(function)}
    for word in words:
        option = word.partition("=")[0]
        require(
            not option.startswith("-") or option in known, f"the example uses {option}, which is no option"
        )


def _functions(trial: Trial) -> list[Callable[..., Any]]:
    build = trial.build()
    if inspect.isfunction(build):
        return [build]
    return [each.callback for each in getattr(build, "registered_commands", ())]


def _arguments(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """Return the Typer parameters in the annotations of a command's arguments."""
    hints = typing.get_type_hints(function, include_extras=True)
    names = inspect.signature(function).parameters
    return {name: getattr(hints.get(name), "__metadata__", ()) for name in names}


def _option_names(function: Callable[..., Any]) -> Iterator[str]:
    for name, marks in _arguments(function).items():
        yield "--" + name.replace("_", "-")
        for each in marks:
            # Inside an Annotated, Typer reads the first argument of the mark as a name too.
            for names in (str(getattr(each, "default", "")), *(getattr(each, "param_decls", None) or ())):
                yield from names.split("/")  # a switch has two names: --audit/--no-audit
