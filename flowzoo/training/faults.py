"""How often a training met numbers that are not finite, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

IN_A_ROW = 5
"""Number of steps in a row that are skipped before the last good state is restored."""

RESTORATIONS = 3
"""How often a stage goes back to its last good state, each time at half the learning rate."""


@dataclass(frozen=True)
class Faults:
    """Steps that were skipped, since their loss or gradient was not finite.

    Attributes:
        skipped: Number of such steps in the training.
        in_a_row: Number of such steps since the last one that was taken.
        restored: How often the stage went back to its last good state.
    """

    skipped: int = 0
    in_a_row: int = 0
    restored: int = 0

    @property
    def rate(self) -> float:
        """The part of the learning rate that is left."""
        return 0.5**self.restored

    @property
    def persist(self) -> bool:
        """Whether so many steps were skipped in a row that the weights must be the reason."""
        return self.in_a_row >= IN_A_ROW

    @property
    def hopeless(self) -> bool:
        """Whether going back has not helped."""
        return self.persist and self.restored >= RESTORATIONS

    def after_step(self) -> Faults:
        """Return what is known after a step that was taken."""
        return replace(self, in_a_row=0)

    def after_skip(self) -> Faults:
        """Return what is known after one more step that was skipped."""
        return replace(self, skipped=self.skipped + 1, in_a_row=self.in_a_row + 1)

    def after_restoration(self) -> Faults:
        """Return what is known after going back."""
        return replace(self, in_a_row=0, restored=self.restored + 1)

    def after_stage(self) -> Faults:
        """Return what is known when the next stage begins, with its own learning rate."""
        return Faults(self.skipped)
