"""One-line errors for number formats that torch cannot compute with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from torch import nn

from flowzoo.errors import FlowzooError, OptionError
from flowzoo.tensors import floating_dtypes

M = TypeVar("M", bound=nn.Module)
P = ParamSpec("P")
R = TypeVar("R")


def explains_formats(method: Callable[Concatenate[M, P], R]) -> Callable[Concatenate[M, P], R]:
    """Turn torch's errors about number formats into one line, for a method of a module.

    If all parameters are in one format of at least 32 bits, errors stay as they are. Checking all of
    them takes time, so this is done only after an error.

    Raises:
        OptionError: Parts are in different formats, or in one that torch does not compute everything in.
    """

    @functools.wraps(method)
    def call(self: M, /, *args: P.args, **named: P.kwargs) -> R:
        try:
            return method(self, *args, **named)
        except FlowzooError:
            raise
        except RuntimeError as error:
            formats = floating_dtypes(self)
            if len(formats) < 2 and all(each.itemsize >= 4 for each in formats):
                raise
            names = " and ".join(str(each).removeprefix("torch.") for each in formats)
            reason = str(error).strip().splitlines()[0]
            raise OptionError(
                f"the model's weights are in {names}, in which torch cannot compute the model ({reason}). "
                "Convert them to one format, for example with model.float()"
            ) from error

    return call
