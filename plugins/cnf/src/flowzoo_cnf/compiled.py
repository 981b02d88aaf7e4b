"""torch.compile for functions that several models use, and around code that it cannot compile."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar, final

import torch
from torch._dynamo.exc import BackendCompilerFailed

from flowzoo.api import OptionError

P = ParamSpec("P")
R = TypeVar("R")


def uncompiled(function: Callable[P, R]) -> Callable[P, R]:
    """Keep ``torch.compile`` from compiling a function and all that it calls, inside a compiled model.

    Functions inside that are compiled by :class:`CompiledApart` stay compiled.
    """
    disabled: Callable[P, R] = torch.compiler.disable(function)
    return disabled


@final
class CompiledApart(Generic[P, R]):
    """A function that is compiled for one user, when it is first called.

    torch limits how often one piece of code may be compiled, for all its users together. Each user has
    different shapes, and so gets its own copy. Compiled code stays in its process: a copy of the user, or one
    that was pickled, compiles again.

    Args:
        function: A plain function of a module.

    Raises:
        OptionError: On a call, if compiling is not possible.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        self._compiled: Callable[P, R] | None = None

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        if self._compiled is None:
            self._compiled = torch.compile(_copied(self._function))
        try:
            return self._compiled(*arguments, **named)
        except BackendCompilerFailed as error:
            reason = str(error).strip().splitlines()[0]
            raise OptionError(
                f"torch.compile failed ({reason}); install a C++ compiler, or set compiled=false"
            ) from error

    def __reduce__(self) -> tuple[type[CompiledApart[P, R]], tuple[Callable[P, R]]]:
        return type(self), (self._function,)


def _copied(function: Callable[P, R]) -> Callable[P, R]:
    plain = inspect.unwrap(function)
    assert isinstance(plain, types.FunctionType)
    return types.FunctionType(plain.__code__.replace(), plain.__globals__, plain.__name__)
