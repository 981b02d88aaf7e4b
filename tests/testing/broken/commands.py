"""A sound command, and what can be broken in it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tests.testing.broken.example import Example


def greet(
    name: Annotated[str, typer.Argument(help="Whom to greet.")],
    count: Annotated[int, typer.Option("--count", help="How often.")] = 1,
) -> None:
    """Greet somebody."""


def without_text(name: Annotated[str, typer.Argument()], count: int = 1) -> None:
    """Greet somebody."""


def without_option(name: Annotated[str, typer.Argument(help="Whom to greet.")]) -> None:
    """Greet somebody."""


def without_docstring(name: Annotated[str, typer.Argument(help="Whom to greet.")], count: int = 1) -> None:
    pass


def raises(_: Any) -> Any:
    raise ImportError("no module named greet")


COMMAND = Example(
    "command",
    lambda _: greet,
    {
        "it cannot be imported": ("import", raises),
        "it is no function": ("import", lambda _: object()),
        "an app has no commands": ("import", lambda _: typer.Typer()),
        "an argument has no help text": ("help", lambda _: without_text),
        "it has no docstring": ("help", lambda _: without_docstring),
        "the example uses another option": ("example", lambda _: without_option),
    },
    name="greet",
    build="tests.testing.broken.commands:greet",
    example="flowzoo greet Ada --count 2",
)
