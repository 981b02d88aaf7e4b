"""What a machine that runs a cell must have in common with the machine that planned it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from flowzoo.bench.cell import Cell
from flowzoo.bench.kept import made_with
from flowzoo.bench.result import Result
from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import FlowzooError
from flowzoo.registry.provenance import Provenance, changes


def unlike_the_runner(cell: Cell, plan: Result, expected: Mapping[str, Any], device: str) -> str:
    """Return why this machine cannot make a cell's figures, in one line; empty if it can.

    Args:
        cell: The cell.
        plan: The cell's record without figures, as it was made where the suite was started.
        expected: What :func:`expected_of` returned there.
        device: The device that the cell needs.
    """
    machine = f"machine {platform.node()}"
    there = Provenance(versions=expected["versions"], fingerprints=expected["fingerprints"])
    remedy = "Install the same flowzoo, plugins and torch on all machines"
    try:
        differ = changes(there, made_with(cell, plan), what="there")
    except FlowzooError as error:
        return f"{machine} lacks what the cell is made of: {error}. {remedy}"
    if differ:
        return f"{machine} has other software than the machine of this command: {', '.join(differ)}. {remedy}"
    experiment = cell.experiment
    try:
        prepare_device(device)
        revision = load_dataset(experiment.data, **experiment.data_options).info.revision
    except FlowzooError as error:
        return f"{machine}: {error}. All machines need the data set in the same place, and the device"
    if revision != plan.data.revision:
        return (
            f"{machine} has other images of '{experiment.data}' than the machine of this command. Copy the "
            "same files to all machines"
        )
    return ""
