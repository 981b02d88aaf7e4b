"""How long to train: in steps, which repeats exactly, or in seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowzoo.errors import OptionError
from flowzoo.integers import MOST, positive_integer, positive_number

MOST_SECONDS = 10**10
"""Largest budget in seconds, 317 years."""


@dataclass(frozen=True)
class Budget:
    """A number of steps or of seconds, one of the two.

    Raises:
        OptionError: Both or neither are given, it is not positive, or it is above
            :data:`~flowzoo.integers.MOST` steps or :data:`MOST_SECONDS`.
    """

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise OptionError("give the budget either in steps or in seconds")
        if self.steps is not None:
            # Python's own, which a record can hold
            object.__setattr__(self, "steps", positive_integer("the budget in steps", self.steps))
        else:
            object.__setattr__(self, "seconds", positive_number("the budget in seconds", self.seconds))
        unit, most = ("steps", MOST) if self.steps is not None else ("seconds", MOST_SECONDS)
        if self.amount > most:
            raise OptionError(f"the budget in {unit} is {self.amount!r:.40}; give at most {most}")

    @property
    def amount(self) -> float:
        """The number of steps or of seconds."""
        amount = self.steps if self.steps is not None else self.seconds
        assert amount is not None, "one of the two is given"
        return amount

    @classmethod
    def parse(cls, given: Mapping[str, Any], batch_size: int) -> Budget:
        """Return the budget that a mapping with ``steps``, ``images`` or ``seconds`` describes.

        >>> Budget.parse({"images": 1000}, batch_size=64)
        Budget(steps=15, seconds=None)

        Args:
            given: One of the three; the others may be None.
            batch_size: Number of images in a step.

        Raises:
            OptionError: None or several are given, or the value is not allowed.
        """
        units = ("steps", "images", "seconds")
        amounts = {unit: given[unit] for unit in units if given.get(unit) is not None}
        if len(amounts) != 1 or not set(given) <= set(units):
            raise OptionError(f"a budget has exactly one of {', '.join(units)}; got {dict(given)}")
        images = amounts.pop("images", None)
        if images is None:
            return cls(**amounts)
        return cls(steps=max(1, positive_integer("the budget in images", images) // batch_size))

    def plain(self) -> dict[str, int | float | None]:
        """Return the budget as plain data, as JSON holds it."""
        return {"steps": self.steps, "seconds": self.seconds}

    def divide(self, shares: Sequence[float]) -> list[Budget]:
        """Return the budgets of stages, in whole steps whose sum is the budget's.

        Steps are rounded down, and what is left goes to the stages that lost most by it. Each gets at least
        one, if necessary from the longest.

        Args:
            shares: The stages' parts of the budget, which sum to 1.

        Raises:
            OptionError: There are fewer steps than stages.

        >>> [each.steps for each in Budget(steps=100).divide([1 / 3, 2 / 3])]
        [33, 67]
        """
        if self.steps is None:
            return [Budget(seconds=self.amount * share) for share in shares]
        if self.steps < len(shares):
            raise OptionError(
                f"the training has {len(shares)} stages, and each needs a step. Train for {len(shares)} "
                f"steps or more, instead of {self.steps}"
            )
        exact = [self.steps * share + 1e-9 for share in shares]
        steps = [max(1, int(each)) for each in exact]
        for stage in sorted(range(len(shares)), key=lambda stage: steps[stage] - exact[stage]):
            steps[stage] += sum(steps) < self.steps
        while sum(steps) > self.steps:
            steps[steps.index(max(steps))] -= 1
        return [Budget(steps=each) for each in steps]

    def less(self, seconds: float) -> Budget:
        """Return what is left of a budget in seconds when some are gone; one in steps stays as it is."""
        return self if self.seconds is None else Budget(seconds=self.seconds - seconds)

    def part(self, share: float) -> float:
        """Return the steps, rounded up, or the seconds after which a part of the budget is used up.

        >>> Budget(steps=100).part(1 / 3), Budget(seconds=60.0).part(0.5)
        (34, 30.0)
        """
        if self.steps is None:
            return self.amount * share
        return math.ceil(self.steps * share - 1e-9)

    def used(self, steps: int, seconds: float) -> float:
        """Return the fraction that is used up; 1 or more at the end."""
        return (steps if self.steps is not None else seconds) / self.amount

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.seconds:g} s"
