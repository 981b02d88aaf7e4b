"""Joins the conditions that components noted into one line of a record."""

from __future__ import annotations

from flowzoo.call import Ledger


def stated(ledger: Ledger, name: str) -> str:
    """Return the facts noted under a name, empty if there are none."""
    return "; ".join(sorted(ledger.notes.get(name, ())))
