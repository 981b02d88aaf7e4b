"""An evaluation as the tables that ``flowzoo evaluate`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowzoo.cli.console import console, table

if TYPE_CHECKING:
    from flowzoo.evaluation.report import Evaluation


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the figure with its conditions, and the terms that it is the sum of."""
    from flowzoo.evaluation.facts import facts_of

    facts = table("", "")
    for name, value in facts_of(evaluation):
        facts.add_row(name, value)
    console().print(facts)
    terms = table("terms of the figure", "bits/dim")
    terms.columns[1].justify = "right"
    for name, term in evaluation.terms.items():
        terms.add_row(name, f"{term:.4f}")
    terms.add_row("sum", f"{sum(evaluation.terms.values()):.4f}", style="bold")
    console().print()
    console().print(terms)
