"""Fits to moments that are being gathered in the first pass over data."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn

from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.moments import Moments
from flowzoo.call import Call
from flowzoo.first_pass_end import EndsFirstPass

GROWTH = 4
"""How many times as many rows as the last fit a new one needs before the first pass ends."""


class Fitted(nn.Module, EndsFirstPass):
    """A component that is fitted to moments of many batches of the first pass."""

    first_pass: FirstPass

    def end_first_pass(self) -> None:
        """Bring an open fit up to date, and close it."""
        fit = _OPEN.get(self)
        if fit is not None:
            if fit.used < fit.moments.count:
                refit(self, at_once=True)
            del _OPEN[self]

    @abstractmethod
    def fit(self, moments: Moments) -> None:
        """Take the state from the moments so far."""


@dataclass
class OpenFit:
    """A fit that is still being gathered.

    Attributes:
        moments: The moments so far.
        used: How many rows of them the last fit used.
    """

    moments: Moments = field(default_factory=Moments)
    used: int = 0


_OPEN: WeakKeyDictionary[Fitted, OpenFit] = WeakKeyDictionary()
"""Kept beside the modules, so that a copy of a module has its fit closed."""


def open_moments(component: Fitted, call: Call) -> Moments | None:
    """Return the moments that a component adds this batch to; None where its fit is closed.

    A fit is open from the first batch of the first pass to its end, or to the first use outside it. Loading
    closes it too.

    Args:
        component: The component. Once it has state, no new fit begins.
        call: The call with the batch.
    """
    if call.mode != "initialise":
        component.end_first_pass()
        return None
    if component not in _OPEN:
        if component.first_pass.done:
            return None
        _OPEN[component] = OpenFit()
    return _OPEN[component].moments


def refit(component: Fitted, at_once: bool = False) -> None:
    """Fit a component anew if it has many more rows than the last time, since a large fit is expensive.

    Args:
        component: A component whose fit is open.
        at_once: Fit it anyway, since it has enough rows.
    """
    fit = _OPEN[component]
    if at_once or fit.moments.count >= GROWTH * fit.used:
        component.fit(fit.moments)
        component.first_pass.finish()
        fit.used = fit.moments.count
