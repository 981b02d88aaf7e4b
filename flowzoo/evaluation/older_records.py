"""Evaluations of older versions: each function takes a record to the next version, as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowzoo.exactness import Exactness
from flowzoo.metric import NOT_AUDITED


def without_solver_audit(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 1 as one of schema 2, which says why a figure must not be ranked."""
    objections = () if record["valid"] else (f"a {_APPROXIMATED}",)
    added = {"joint_bits_per_dim": None, "proposal": "", "audit": None, "components": ()}
    return {**added, **record, "objections": objections}


def without_density_audit(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 2 as one of schema 3: its figure was not audited, and is not valid."""
    objections = (*record["objections"], NOT_AUDITED)
    return {"gaussian_remark": "", **record, "density": None, "valid": False, "objections": objections}


def with_exactness(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 3 as one of schema 4, in which the exactness is a field.

    Two fields have other names: ``draws`` became ``importance_samples``, and ``shares`` became ``terms``.
    """
    exactness = exactness_in_words(record["trace"], record["proposal"], record["objections"])
    renamed = {"importance_samples": record.pop("draws"), "terms": record.pop("shares")}
    return {**record, **renamed, **exactness}


def exactness_in_words(trace: str, proposal: str, objections: Iterable[str]) -> dict[str, Any]:
    """Return the exactness of a likelihood that an older record states in words alone.

    Args:
        trace: How the trace was computed.
        proposal: The distribution that coarse images were drawn from; empty if none were.
        objections: Why the figure must not be ranked.

    Returns:
        The fields ``exactness`` and ``estimated``.
    """
    estimated = "hutchinson" in str(trace)
    if any(_APPROXIMATED in str(each) for each in objections):
        exactness = Exactness.NONE
    elif proposal:
        exactness = Exactness.BOUND
    else:
        exactness = Exactness.UNBIASED if estimated else Exactness.EXACT
    return {"exactness": str(exactness), "estimated": estimated}


_APPROXIMATED = "log-determinant is approximated"
