"""What ``flowzoo watch`` shows, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from flowzoo.cli.progress import clock
from flowzoo.cli.run_state import Curves, RunState
from flowzoo.cli.text_chart import HEIGHT, MARKS, text_chart
from flowzoo.shell import word

Across = Literal["steps", "seconds"]

_WIDEST = 100
"""Columns of a chart, at most."""

_LOWEST = 4
"""Rows of a chart, at least."""

_TRAINING_FIRST = f".{MARKS}"
"""Marks of curves. Those of training, which have many points, come first, and others cover them."""


def picture(
    states: Sequence[RunState], across: Across | None, width: int, height: int | None = None
) -> list[str]:
    """Return the lines that show runs: one in detail, or the validation curves of several.

    Args:
        states: The runs.
        across: What the curves are drawn against; by default the unit of the budgets.
        width: Columns of the screen.
        height: Rows of the screen; None for as many as it takes.
    """
    unit = across or _unit(states)
    lines: list[str] = []
    for state in states:
        figure = _validation(state) if len(states) > 1 else []
        lines += _packed([*_headline(state), *figure], width)
    charts: list[tuple[str, Curves]] = []
    if len(states) == 1:
        (state,) = states
        lines += _packed(_figures(state), width)
        lines += [state.note] if state.note else []
        lines += _packed(_next(state), width)
        charts = [("bits/dim", state.likelihoods)]
        if state.losses:  # those of different objectives have different scales
            name, curve = max(state.losses.items(), key=lambda each: each[1][-1])
            charts.append((f"loss of {name}", {name: curve}))
    else:
        found = {str(each.path): _validations(each) for each in states}
        lines += [
            f"{name}: no curve, because its levels train one after another"
            for name, curves in found.items()
            if len(curves) > 1
        ]
        alone = {name: next(iter(curves.values())) for name, curves in found.items() if len(curves) == 1}
        charts = [("validation, bits/dim", alone)]
    charts = [(up, curves) for up, curves in charts if curves]
    rows = _rows(height, len(lines), [curves for _, curves in charts])
    marks = MARKS if len(states) > 1 else _TRAINING_FIRST
    for up, curves in charts:
        points = {name: _against(unit, curves[name]) for name in _training_first(curves)}
        drawn = marks if any(name.startswith("training") for name in points) else MARKS
        lines += ["", *text_chart(points, min(width, _WIDEST), f"{unit} of training", up, rows, drawn)]
    return lines


def _unit(states: Iterable[RunState]) -> Across:
    budgets = [each.record.experiment.budget for each in states if each.record is not None]
    return "seconds" if any(budget.seconds is not None for budget in budgets) else "steps"


def _headline(state: RunState) -> list[str]:
    """Return how far a run is, in parts that stay together."""
    record = state.record
    if record is None:
        return [f"{state.path}: {state.status}"]
    budget = record.experiment.budget
    name = f"{state.path}: {record.experiment.model} on {record.experiment.data}, {state.status}"
    used = min(1.0, budget.used(state.steps, state.seconds))
    of = f" of {budget.steps:,}" if budget.steps is not None else ""
    if state.status == "finished":
        return [name, f"step {state.steps:,}{of}, trained for {clock(state.seconds)}"]
    left = state.elapsed * (1.0 / used - 1.0) if state.status == "running" and used > 0 else None
    time = f"{clock(state.elapsed)} so far" + ("" if left is None else f", {clock(left)} left")
    return [name, f"step {state.steps:,}{of} ({used:.0%}), {time}"]


def _figures(state: RunState) -> list[str]:
    """Return the last figures of a run, in parts that stay together."""
    found: list[str] = []
    last = state.training
    if state.trains and state.status != "finished":
        found.append(f"trains: {state.trains}")
    found += _validation(state)
    if last:
        found.append(f"loss {last['loss']:.3f}")
    if "learning_rate" in last:
        found += [f"learning rate {last['learning_rate']:.2g}", f"gradient norm {last['gradient_norm']:.2g}"]
    if "adversarial_loss" in last:
        found += [
            f"adversarial {last['adversarial_loss']:.3f}",
            f"discriminator {last['discriminator_loss']:.3f}",
        ]
    if "images_per_second" in last:
        found.append(f"{last['images_per_second']:,.0f} images/s")
    return found


def _validation(state: RunState) -> list[str]:
    """Return the figure of the last validation, if there was one."""
    last = state.validation
    if not last:
        return []
    error = f" ± {last['validation_standard_error']:.4f}" if "validation_standard_error" in last else ""
    return [f"validation {last['validation_bits_per_dim']:.4f}{error} bits/dim (step {last['step']:,})"]


def _next(state: RunState) -> list[str]:
    """Return where the samples are, and how a run goes on that has stopped."""
    found = [] if state.samples is None else [f"samples: {state.samples}"]
    if state.status == "stopped":
        found.append(f"go on with: flowzoo train --resume --out {word(state.path)}")
    return found


def _validations(state: RunState) -> Curves:
    return {name: curve for name, curve in state.likelihoods.items() if name.startswith("validation")}


def _training_first(curves: Curves) -> list[str]:
    return sorted(curves, key=lambda name: name.startswith("validation"))


def _against(unit: Across, curve: Sequence[tuple[float, float, float]]) -> list[tuple[float, float]]:
    return [(seconds if unit == "seconds" else step, value) for step, seconds, value in curve]


def _rows(height: int | None, used: int, charts: Sequence[Mapping[str, object]]) -> int:
    """Return the rows of each chart, so that all fit the screen if it is not very low."""
    if height is None or not charts:
        return HEIGHT
    around = sum(3 + len(curves) for curves in charts)
    return max(_LOWEST, min(2 * HEIGHT, (height - used - around) // len(charts)))


def _packed(parts: Sequence[str], width: int) -> list[str]:
    """Return parts side by side, on more lines where they are too long for one.

    >>> _packed(["a run", "step 10", "left"], 14)
    ['a run  step 10', 'left']
    """
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return lines
