"""How long to train: in steps, which repeats exactly, or in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from flowzoo.errors import OptionError


@dataclass(frozen=True)
class Budget:
    """A number of steps or of seconds, one of the two.

    Raises:
        OptionError: Both or neither are given, or it is not positive.
    """

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise OptionError("give the budget either in steps or in seconds")
        if self.steps is not None and not isinstance(self.steps, int):
            raise OptionError(f"the budget's steps are an integer, got {self.steps!r}")
        amount = self.steps if self.steps is not None else self.seconds
        if amount is None or not 0 < amount < float("inf"):
            raise OptionError(f"the budget must be positive, got {amount}")

    def share(self, fraction: float) -> Budget:
        """Return a part of this budget, at least one step.

        >>> Budget(steps=100).share(1 / 3)
        Budget(steps=33, seconds=None)
        """
        if self.steps is not None:
            return Budget(steps=max(1, int(self.steps * fraction + 1e-9)))
        assert self.seconds is not None
        return Budget(seconds=self.seconds * fraction)

    def used(self, steps: int, seconds: float) -> float:
        """Return the share that is used up; 1 or more when it is spent."""
        if self.steps is not None:
            return steps / self.steps
        assert self.seconds is not None
        return seconds / self.seconds

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.seconds:g} s"
