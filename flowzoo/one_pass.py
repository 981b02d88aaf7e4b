"""Gives each pass without a generator one stream of random numbers for all of its draws.

A fresh generator for every draw would make two draws of one pass equal. One generator for the whole process
would make evaluation depend on earlier calls. So the method that is called first gives the call its
stream, and passes it on to the parts.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from flowzoo.call import EVALUATION

F = TypeVar("F", bound=Callable[..., Any])


def one_pass(method: F) -> F:
    """Let a method, whose parameter ``call`` may have no generator, draw all random numbers from one stream.

    Args:
        method: A method; one without a parameter ``call`` is returned as it is.
    """
    names = list(inspect.signature(method).parameters)
    if "call" not in names:
        return method
    place = names.index("call") - 1  # without self

    @functools.wraps(method)
    def begins(self: Any, *args: Any, **named: Any) -> Any:
        given = args[place] if len(args) > place else named.get("call", EVALUATION)
        call = given.seeded()
        if call is not given:
            if len(args) > place:
                args = (*args[:place], call, *args[place + 1 :])
            else:
                named["call"] = call
        return method(self, *args, **named)

    return begins  # type: ignore[return-value]  # it has the method's signature


class BeginsPasses:
    """A class whose methods with a parameter ``call`` are entry points, also in subclasses."""

    ENTRY_POINTS: ClassVar[tuple[str, ...]] = (
        "forward",
        "inverse",
        "loss",
        "forward_with_contributions",
        "split",
        "merge",
        "prepare",
    )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in cls.ENTRY_POINTS:
            method = cls.__dict__.get(name)
            if inspect.isfunction(method):
                setattr(cls, name, one_pass(method))
