"""Moments that are being gathered in the first pass over data."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import nn

from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.moments import Moments
from flowzoo.call import Call

_OPEN: WeakKeyDictionary[nn.Module, Moments] = WeakKeyDictionary()
"""Kept beside the modules, so that a copy of a module has its fit closed."""


def open_moments(module: nn.Module, first_pass: FirstPass, call: Call) -> Moments | None:
    """Return the moments that a component adds this batch to; None where its fit is closed.

    A fit is open from the first batch of the first pass to the first use outside it. Loading closes it too.

    Args:
        module: The component.
        first_pass: The component's flag; once it is set, no new fit begins.
        call: The call with the batch.
    """
    if call.mode != "initialise":
        _OPEN.pop(module, None)
        return None
    if module not in _OPEN:
        if first_pass.done:
            return None
        _OPEN[module] = Moments()
    return _OPEN[module]
