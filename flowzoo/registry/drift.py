"""Refuses a model that does not compute the same as when it was saved, although no revision has changed."""

from __future__ import annotations

import os
import zlib

from flowzoo.errors import SavedModelError
from flowzoo.flow import Flow
from flowzoo.registry.lookup import Registry
from flowzoo.registry.probe import WHOLE, Deviation, Probe, deviation
from flowzoo.registry.provenance import Provenance, changes, how_to_go_back, provenance_of

UNCHECKED = "FLOWZOO_UNCHECKED"
"""Environment variable: with any value, it allows models that compute something else than when saved."""


def refuse_drift(
    flow: Flow, probe: Probe, then: Provenance, registry: Registry, subject: str, remedy: str
) -> None:
    """Refuse a model if its log-likelihood of the probe's images has changed.

    Args:
        flow: The model, with the saved weights.
        probe: What it computed then.
        then: What the model was made with.
        registry: The registry in which its components are found now.
        subject: What holds the model, such as a folder.
        remedy: What to do if the old code is not available, such as ``train the model again``.

    Raises:
        SavedModelError: It computes something else, or the probe is damaged.
    """
    if os.environ.get(UNCHECKED):
        return
    try:
        found = deviation(flow, probe)
    except (ValueError, zlib.error) as error:
        raise SavedModelError(f"{subject} is damaged: its probe: {error}; copy it again") from error
    if found is not None:
        raise SavedModelError(
            f"{subject}: the model computes something else than when it was saved: {_said(found)}; "
            f"{_cause_and_fix(then, registry)}, {remedy}, or use it as it is now (check=False in Python, "
            f"{UNCHECKED}=1 in the environment)"
        )


def _said(found: Deviation) -> str:
    if found.now is None:
        return f"it fails on the stored images ({found.problem})"
    where = "" if found.row == WHOLE else f" in {found.row}"
    return (
        f"{abs(found.now - found.then):.3g} bits/dim off on the stored images{where} "
        f"({found.then:.6g} then, {found.now:.6g} now)"
    )


def _cause_and_fix(then: Provenance, registry: Registry) -> str:
    """Return the cause, as far as it is known, and what to do about it."""
    bound = then.bind(registry)
    now = provenance_of(bound, then.revisions)
    changed = changes(then, now)
    if then.fingerprints and not changed:
        return (
            "the files of its components are the same, so this machine or a library that they use must "
            "differ; try it where it was saved"
        )
    named = changed or tuple(f"{name} {version}" for name, version in then.versions.items())
    suspects = " and ".join(_with_components(then, each) for each in named)
    distributions = [each.partition(" ")[0] for each in named]
    fixes = (how_to_go_back(each, then.version(each), now.version(each)) for each in distributions)
    return f"{suspects} may have changed without a new revision; {' and '.join(fixes)}"


def _with_components(then: Provenance, named: str) -> str:
    """Return a distribution, with its components that are part of the model."""
    distribution = named.partition(" ")[0]
    keys = (key.partition(":") for key, owner in then.owners.items() if owner == distribution)
    components = [f"{kind} '{name}'" for kind, _, name in keys]
    return f"{', '.join(components)} of {named}" if components else named
