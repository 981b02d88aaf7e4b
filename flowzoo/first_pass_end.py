"""The interface of components with work to do at the end of the first pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn


class EndsFirstPass(ABC):
    """A component with work that is done once, after the last batch of the first pass."""

    @abstractmethod
    def end_first_pass(self) -> None:
        """Do what waited for the last batch; do nothing if nothing waits."""


def end_first_pass(module: nn.Module) -> None:
    """Let all parts of a module do what waits for the last batch."""
    for part in module.modules():
        if isinstance(part, EndsFirstPass):
            part.end_first_pass()
