"""How long to train: in steps, which repeats exactly, or in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowzoo.errors import OptionError
from flowzoo.integers import as_integer


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
        if self.steps is not None:
            steps = as_integer(self.steps)
            if steps is None:
                raise OptionError(f"the budget's steps are an integer, got {self.steps!r}")
            object.__setattr__(self, "steps", steps)  # Python's own, which a record can hold
        amount = self.steps if self.steps is not None else self.seconds
        if amount is None or not 0 < amount < float("inf"):
            raise OptionError(f"the budget must be positive, got {amount}")

    def divide(self, shares: Sequence[float]) -> list[Budget]:
        """Return the budgets of stages, rounded down to whole steps.

        A stage gets at least one step, where necessary at the cost of the longest.

        Args:
            shares: Of the stages; they sum to 1.

        Raises:
            OptionError: There are fewer steps than stages.

        >>> [each.steps for each in Budget(steps=100).divide([1 / 3, 2 / 3])]
        [33, 66]
        """
        if self.steps is None:
            assert self.seconds is not None
            return [Budget(seconds=self.seconds * share) for share in shares]
        if self.steps < len(shares):
            raise OptionError(f"the training has {len(shares)} stages; give it at least as many steps")
        steps = [max(1, int(self.steps * share + 1e-9)) for share in shares]
        while sum(steps) > self.steps:
            steps[steps.index(max(steps))] -= 1
        return [Budget(steps=each) for each in steps]

    def part(self, share: float) -> float:
        """Return the steps, rounded up, or the seconds after which a share is used up.

        >>> Budget(steps=100).part(1 / 3), Budget(seconds=60.0).part(0.5)
        (34, 30.0)
        """
        if self.steps is None:
            assert self.seconds is not None
            return self.seconds * share
        return math.ceil(self.steps * share - 1e-9)

    def used(self, steps: int, seconds: float) -> float:
        """Return the share that is used up; 1 or more when it is spent."""
        if self.steps is not None:
            return steps / self.steps
        assert self.seconds is not None
        return seconds / self.seconds

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.seconds:g} s"
