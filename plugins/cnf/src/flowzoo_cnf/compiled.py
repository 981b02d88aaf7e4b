"""torch.compile, for functions that models share."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch._dynamo.exc import BackendCompilerFailed

from flowzoo.api import OptionError

P = ParamSpec("P")
R = TypeVar("R")


def compile_apart(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function for one of its users alone.

    torch limits how often a piece of code may be compiled anew, counting all its users together; each has
    shapes of its own, and so gets a copy.
    """
    plain = inspect.unwrap(function)
    assert isinstance(plain, types.FunctionType)
    copy = types.FunctionType(plain.__code__.replace(), plain.__globals__, plain.__name__)
    compiled = torch.compile(copy)

    def call(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            result: R = compiled(*arguments, **named)
        except BackendCompilerFailed as error:
            reason = str(error).strip().splitlines()[0]
            raise OptionError(
                f"torch.compile failed ({reason}); install a C++ compiler, or set compiled=false"
            ) from error
        return result

    return call
