"""What a user can do about a slow solve, read off what the solvers reported."""

from __future__ import annotations

from collections.abc import Sequence

from flowzoo.evaluation.findings import Row

LARGE_KINETIC_ENERGY = 1.0
"""For each dimension: what moving standard normal values straight onto unrelated ones costs."""

LARGE_JACOBIAN_NORM = 9.0
"""Squared, for each dimension: that of a field which stretches every dimension by ``e^3``."""

STANDS_OUT = 1.5
"""Times the other parts' mean cost."""


def advise(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return sentences of advice, none where there is nothing to advise.

    The figures that it knows are ``evaluations``, ``shortest step``, ``longest step``, ``kinetic energy`` and
    ``Jacobian norm``.
    """
    return tuple(sentence for sentence in (_slowest(rows), _straighten(rows)) if sentence)


def _slowest(rows: Sequence[Row]) -> str:
    costs = [row.calls * row.figures.get("evaluations", 0.0) for row in rows]
    total = sum(costs)
    if not total:
        return ""
    slowest, cost = max(zip(rows, costs, strict=True), key=lambda pair: pair[1])
    if (len(costs) - 1) * cost < STANDS_OUT * (total - cost):
        return f"The evaluations are spread evenly: no part takes more than {cost / total:.0%} of them."
    sentence = f"{_name(slowest)} takes {cost / total:.0%} of the evaluations"
    shortest, longest = (slowest.figures.get(f"{which} step") for which in ("shortest", "longest"))
    if shortest is not None and longest is not None:
        sentence += f"; its steps are between {shortest:.3g} and {longest:.3g} long"
    return f"{sentence}."


def _straighten(rows: Sequence[Row]) -> str:
    large = [
        f"the {figure} of {_name(row)} is {value:.3g}"
        for figure, limit in (
            ("kinetic energy", LARGE_KINETIC_ENERGY),
            ("Jacobian norm", LARGE_JACOBIAN_NORM),
        )
        for row, value in _largest(rows, figure)
        if value > limit
    ]
    if not large:
        return ""
    found = " and ".join(large)
    return (
        f"{found[0].upper()}{found[1:]}, which is large and asks for small steps: regularise a "
        "likelihood objective (bijector.kinetic, bijector.jacobian), pair by optimal transport in flow "
        "matching (bijector.pairing), or train longer."
    )


def _largest(rows: Sequence[Row], figure: str) -> list[tuple[Row, float]]:
    found = [(row, row.figures[figure]) for row in rows if figure in row.figures]
    return [max(found, key=lambda pair: pair[1])] if found else []


def _name(row: Row) -> str:
    return f"{row.component}, {row.part}"
