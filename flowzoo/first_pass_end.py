"""What is told that the first pass over the data has ended."""

from __future__ import annotations

from abc import ABC, abstractmethod


class EndsFirstPass(ABC):
    """A component with work that is done once, after the last batch of the first pass."""

    @abstractmethod
    def end_first_pass(self) -> None:
        """Do what waited for the last batch; do nothing if nothing waits."""
