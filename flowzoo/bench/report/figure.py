"""A figure of one metric, averaged over the seeds of a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from flowzoo.metric import Measurement

UNSTEADY_FROM = 0.2
"""An error is large from this fraction of its figure."""


@dataclass(frozen=True)
class Figure(Measurement):
    """The figure of one metric in a row of a report: an average of measurements.

    The error is the mean of the seeds' errors: all seeds are measured on the same images, whose choice
    affects all of them alike, so more seeds do not make it smaller. If one seed is not valid, neither is the
    mean.

    Attributes:
        spread: Standard deviation over seeds; None for one seed.
        seeds: Number of seeds that have a figure.
    """

    spread: float | None = None
    seeds: int = 1

    @property
    def unsteady(self) -> bool:
        """Whether it is a speed or a time whose repetitions differed much."""
        if self.repeats or self.value is None or self.error is None:
            return False
        return self.error > UNSTEADY_FROM * abs(self.value)


def average(by_seed: Mapping[int, Measurement]) -> Figure:
    """Average the measurements of one metric, at least one.

    >>> average({0: Measurement(2.0, "s"), 1: Measurement(3.0, "s")}).value
    2.5
    """
    given = [each for each in by_seed.values() if each.value is not None]
    values = [each.value for each in given if each.value is not None]
    errors = [each.error for each in given if each.error is not None]
    return replace(
        Figure(**vars(next(iter(by_seed.values())))),
        value=fmean(values) if values else None,
        error=fmean(errors) if errors and len(errors) == len(values) else None,
        spread=stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        repeats=all(each.repeats for each in by_seed.values()),
        valid=all(each.valid for each in given),
        exactness=max((each.exactness for each in given if each.exactness is not None), default=None),
        estimated=any(each.estimated for each in given),
        objections=tuple(
            f"seed {seed}: {objection}" if len(by_seed) > 1 else objection
            for seed, each in by_seed.items()
            for objection in each.objections
        ),
    )
