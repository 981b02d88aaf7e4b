"""What a sweep searches: each option has a range of numbers, or a list of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flowzoo.errors import OptionError, did_you_mean

_KEYS = ("low", "high", "log", "step")

_LARGEST = 10**15 - 1
"""The largest integer. Optuna computes with floats, which have no place for more than 15 digits."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Whether ratios count instead of differences.
        step: Distance of two numbers; None for all. 1 for integers that state none.
        whole: Whether they are integers.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def examples(self) -> tuple[float, ...]:
        """Both ends."""
        return (self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of several values.

    Attributes:
        values: The values: texts, numbers, truth values or None.
    """

    values: tuple[Any, ...]

    @property
    def examples(self) -> tuple[Any, ...]:
        """All values."""
        return self.values

    def __str__(self) -> str:
        return f"one of {', '.join(map(str, self.values))}"


Searched = Range | Choice


def parse_space(given: Any) -> dict[str, Searched]:
    """Return what a sweep searches, by the options' names.

    >>> parse_space({"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}})
    {'training.learning_rate': Range(low=0.0001, high=0.01, log=True, step=None, whole=False)}
    >>> parse_space({"levels": {"low": 1, "high": 3}, "hidden": [16, 32]})["hidden"]
    Choice(values=(16, 32))

    Args:
        given: Mapping of names to a mapping with ``low``, ``high`` and perhaps ``log`` or ``step``, or to a
            list.

    Raises:
        OptionError: It is no such mapping, or a range is empty.
    """
    if not isinstance(given, Mapping) or not given:
        raise OptionError(
            "'search' must be a mapping of options to ranges, as in training.learning_rate: "
            "{low: 1e-4, high: 1e-2, log: true}"
        )
    return {str(name): _parse(str(name), value) for name, value in given.items()}


def _parse(name: str, given: Any) -> Searched:
    if isinstance(given, list):
        return _choice(name, given)
    if not isinstance(given, Mapping):
        raise OptionError(
            f"search '{name}': give a range, as in {{low: 1, high: 4}}, or a list of values. Got "
            f"{given!r:.60}. A single value belongs under 'options' or 'training'"
        )
    for key in given:
        if key not in _KEYS:
            hint = did_you_mean(str(key), _KEYS) or ";"
            raise OptionError(f"search '{name}': a range has no '{key}'{hint} it has: {', '.join(_KEYS)}")
    for key in ("low", "high"):
        if key not in given:
            raise OptionError(f"search '{name}': the range lacks '{key}'")
    numbers = {key: given[key] for key in ("low", "high", "step") if given.get(key) is not None}
    for key, value in numbers.items():
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise OptionError(f"search '{name}': {key} is too large; give a number of 15 digits at most")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise OptionError(f"search '{name}': {key} must be a number, got {value!r:.60}")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise OptionError(f"search '{name}': log must be true or false, got {log!r:.60}")
    return _range(name, numbers, log)


def _range(name: str, numbers: Mapping[str, float], log: bool) -> Range:
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    if low >= high:
        raise OptionError(f"search '{name}': the range is empty: low {low:g} is not below high {high:g}")
    if log and low <= 0:
        raise OptionError(f"search '{name}': a range with log needs a low above 0, got {low:g}")
    if step is not None and (log or not 0 < step <= high - low):
        raise OptionError(f"search '{name}': step must be positive, fit into the range, and goes without log")
    if step is not None:
        _require_whole_steps(name, low, high, step)
    whole = all(isinstance(each, int) for each in numbers.values())
    return Range(low, high, log, step, whole)


def _require_whole_steps(name: str, low: float, high: float, step: float) -> None:
    first, distance = _exact(low), _exact(step)
    steps = (_exact(high) - first) / distance
    if steps > _LARGEST:
        raise OptionError(f"search '{name}': step {step:g} is too small for the range; give a larger one")
    if steps.denominator > 1:
        below, above = (first + many * distance for many in (math.floor(steps), math.ceil(steps)))
        raise OptionError(
            f"search '{name}': steps of {step:.15g} from {low:.15g} do not end at {high:.15g}; "
            f"set high to {float(below):.15g} or {float(above):.15g}"
        )


def _exact(number: float) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth, not the nearest float."""
    return Fraction(str(number))


def _choice(name: str, given: list[Any]) -> Choice:
    plain = all(each is None or isinstance(each, str | bool | int | float) for each in given)
    if not plain:
        raise OptionError(f"search '{name}': a list holds texts, numbers or truth values")
    if any(isinstance(each, int) and abs(each) > _LARGEST for each in given):
        raise OptionError(f"search '{name}': a number is too large; give 15 digits at most")
    if len(given) < 2 or len({(type(each), each) for each in given}) < len(given):
        raise OptionError(f"search '{name}': a list needs two values or more, none of them twice")
    return Choice(tuple(given))
