"""Checks of a component with other options and shapes than those of its trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from flowzoo.errors import OptionError, ShapeError
from flowzoo.registry.allowed import choices
from flowzoo.registry.signature import options_of
from flowzoo.shapes import Shape
from flowzoo.testing.result import CheckFailed
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

S = TypeVar("S", bound=Subject)
CheckOf = Callable[[type[S], Trial], None]

_MANY = 4
"""Largest end of a range that is tried: larger values may take very long."""


def for_other_shapes(*checks: CheckOf[S]) -> CheckOf[S]:
    """Return a check that repeats others for images that are high, wide, or have one more channel.

    Shapes that the component refuses are skipped.
    """

    def every(kind: type[S], trial: Trial) -> None:
        channels, height, width = trial.check.shape
        for shape in (
            (channels, 2 * height, width),
            (channels, height, 2 * width),
            (channels + 1, height, width),
        ):
            if takes(kind, _resized(trial, shape)):
                _make(checks, kind, _resized(trial, shape), f"for images of {'x'.join(map(str, shape))}")

    return every


def under_other_options(*checks: CheckOf[S]) -> CheckOf[S]:
    """Return a check that repeats others with every other value of an option that lists its values.

    The ends of an option's range are tried too, if they are small. One option is changed at a time, on
    images twice as large if those of the trial do not fit. Values that the component refuses are skipped,
    and so are options that its :class:`~flowzoo.component.Check` holds fixed.
    """

    def every(kind: type[S], trial: Trial) -> None:
        channels, height, width = trial.check.shape
        for name, value in other_values(trial):
            variant = trial.with_check(options={**trial.check.options, name: value})
            for candidate in (variant, _resized(variant, (channels, 2 * height, 2 * width))):
                if takes(kind, candidate):
                    _make(checks, kind, candidate, f"with the option {name}={value!r}")
                    break

    return every


def takes(kind: type[S], variant: Trial) -> bool:
    """Whether a component can be built for this trial, and accepts images of its shape."""
    try:
        kind(variant.build(), variant).stated_shapes()
    except (OptionError, ShapeError):
        return False
    return True


def _make(checks: Sequence[CheckOf[S]], kind: type[S], variant: Trial, what: str) -> None:
    for check in checks:
        try:
            check(kind, variant)
        except OptionError:
            return  # some options fail only when they are used
        except CheckFailed as failure:
            raise CheckFailed(f"{what}: {failure}") from failure
        except Exception as error:
            raise CheckFailed(f"{what}: {type(error).__name__}: {error}") from error


def _resized(trial: Trial, shape: Shape) -> Trial:
    """Return the trial for images of another shape, and contexts of another size to match."""
    old, context = trial.check.shape, trial.check.context_shape
    if context is not None:
        context = (context[0], context[1] * shape[1] // old[1], context[2] * shape[2] // old[2])
    return trial.with_check(shape=shape, context_shape=context)


def other_values(trial: Trial) -> Iterator[tuple[str, Any]]:
    """Yield every other value of each option that lists its values, and the small ends of its range."""
    for name, option in options_of(trial.component).items():
        if name in trial.check.fixed:
            continue
        used = trial.check.options.get(name, option.default)
        for value in _values(option.schema):
            if value != used:
                yield name, value


def _values(schema: Mapping[str, Any]) -> list[Any]:
    """Return the values that a JSON schema lists, and the ends of its range."""
    found = [value for each in schema.get("anyOf", ()) for value in _values(each)] or list(choices(schema))
    if schema.get("type") == "boolean":
        found += [False, True]
    if schema.get("type") == "null":
        found.append(None)
    if schema.get("type") in ("integer", "number"):
        ends = (schema.get("minimum"), schema.get("maximum"))
        found += [end for end in ends if end is not None and abs(end) <= _MANY]
    return found
