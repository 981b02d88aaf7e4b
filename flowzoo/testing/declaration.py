"""Checks of what a component declares about its own trial."""

from __future__ import annotations

import math
from collections.abc import Mapping

from flowzoo.component import LARGEST_OVERLAP, LARGEST_TOLERANCE, ROUNDING, Check, Component, Kind
from flowzoo.errors import FlowzooError
from flowzoo.registry.loader import default_registry
from flowzoo.registry.options import resolve
from flowzoo.registry.signature import options_of
from flowzoo.shapes import as_shape
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

MAPS_IMAGES: tuple[Kind, ...] = ("transform", "bijector", "split", "network", "dequantisation", "model")
TAKES_CONTEXT: tuple[Kind, ...] = ("bijector", "network")

MOST_VALUES = 1024
"""Largest number of values of an image in checks; the Jacobian has the square of it."""


def declares_a_sensible_trial(trial: Trial) -> None:
    """The trial can find faults: images are large enough, tolerances are small, exceptions have reasons."""
    component, check = trial.component, trial.check
    _require_shapes(component.kind, check)
    _require_tolerance(component.kind, check)
    named = isinstance(check.options, Mapping) and all(isinstance(name, str) for name in check.options)
    require(named, f"the check's options are {check.options!r:.60}, expected a mapping of names to values")
    given = bool(str(check.reason).strip())
    require(component.exact or given, "it declares exact=False without saying why; give its Check a reason")
    for figure in component.published:
        bits = figure.bits_per_dim
        require(
            math.isfinite(bits) and bits > 0,
            f"the figure published for {figure.data} is {bits} bits/dim, expected a positive number",
        )
    _require_presets(component, check)


def _require_presets(component: Component, check: Check) -> None:
    """Every preset can be used, beside the options that users have to give anyway."""
    if not component.presets:
        return  # a command's builder has no options
    options = options_of(component)
    needed = {
        name: value for name, value in check.options.items() if name in options and options[name].required
    }
    for preset in component.presets:
        try:
            resolve(default_registry(), component, {**needed, "preset": preset})
        except FlowzooError as problem:
            require(False, f"the preset '{preset}' cannot be used: {problem}")


def _require_shapes(kind: Kind, check: Check) -> None:
    for name, shape in (("shape", check.shape), ("context_shape", check.context_shape)):
        if shape is not None:
            try:
                as_shape(shape)
            except (FlowzooError, TypeError):
                require(False, f"the check's {name} is {shape!r:.60}, expected (channels, height, width)")
    takes_none = check.context_shape is not None and kind not in TAKES_CONTEXT
    require(not takes_none, f"the check declares a context_shape, and a {kind} takes no context")
    values = math.prod(check.shape)
    if kind in MAPS_IMAGES:
        require(
            2 <= values <= MOST_VALUES,
            f"the check's shape {check.shape} has {values} values, expected 2 to {MOST_VALUES}: with one "
            "value nothing can be mixed up, and with many the brute-force Jacobian takes too long",
        )


def _require_tolerance(kind: Kind, check: Check) -> None:
    tolerance = check.tolerance
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    require(
        number and tolerance >= 0,
        f"the check's tolerance is {tolerance!r:.60}, expected a number of at least 0",
    )
    largest = LARGEST_OVERLAP if kind == "dataset" else LARGEST_TOLERANCE
    require(
        tolerance <= largest,
        f"the check's tolerance is {tolerance:g}, and {largest:g} is the most that can be allowed; "
        "make the component more exact in its trial",
    )
    require(
        tolerance <= ROUNDING or bool(str(check.reason).strip()),
        f"the check's tolerance is {tolerance:g}, above the {ROUNDING:g} of rounding, without a reason; "
        "say why in Check(reason=...), or leave the tolerance out",
    )
