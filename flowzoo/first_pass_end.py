"""The interface of components with work to do at the end of the first pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn


class EndsFirstPass(ABC):
    """A component with work that is done once, after the last batch of the first pass."""

    @abstractmethod
    def end_first_pass(self) -> None:
        """Do what waited for the last batch; do nothing if nothing waits."""

    def remark(self) -> str:
        """Return what the user should know of the first pass, once it has ended; empty if nothing."""
        return ""


def end_first_pass(module: nn.Module) -> None:
    """Let all parts of a module do what waits for the last batch."""
    for part in module.modules():
        if isinstance(part, EndsFirstPass):
            part.end_first_pass()


def remarks(module: nn.Module) -> list[str]:
    """Return what the parts of a module say of the first pass, each remark once."""
    said = (part.remark() for part in module.modules() if isinstance(part, EndsFirstPass))
    return [remark for remark in dict.fromkeys(said) if remark]
