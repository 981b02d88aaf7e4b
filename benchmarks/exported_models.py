"""Which models can be exported: every registered model, tiny, with random weights, in each format and part.

    python benchmarks/exported_models.py [MODEL ...]

Prints the largest difference from the model, or why it is refused. Takes many minutes of processor time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

import flowzoo
from flowzoo.flow import Flow
from flowzoo.perturbation import randomise
from flowzoo.registry.loader import default_registry
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.sharing.export import SUFFIXES
from flowzoo.sharing.tracing import PARTS

BINS = 17


def main() -> None:
    """Export models, and print what became of it."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or flowzoo.list_models():
        model = _model(name)
        for format_, suffix in SUFFIXES.items():
            for part in PARTS:
                began = time.process_time()
                found = _difference(model, format_, part, suffix)
                print(f"{name:15} {format_:13} {part:8} {found}", end="")
                print(f" ({time.process_time() - began:.0f} s)", flush=True)


def _model(name: str) -> Flow:
    """Return a model as its first trial of the conformance kit has it; solvers take one step."""
    trial = default_registry().find("model", name).checks[0]
    options = dict(trial.options)
    if "evaluation_solver" in options.get("bijector", {}):
        one_step = {"blocks": 1, "evaluation_solver": "midpoint", "evaluation_steps": 1}
        options["bijector"] = {**options["bijector"], **one_step}
    flow = flowzoo.create_model(name, trial.shape, bins=BINS, seed=0, **options)
    images = torch.randint(0, BINS, (64, *trial.shape), generator=torch.Generator().manual_seed(0))
    fit_splits(flow, [torch.rand(flow.dimensions, dtype=torch.float64)] * scored_levels(flow))
    flow.initialise([images])
    randomise(flow, 1)
    return flow


def _difference(model: Flow, format_: str, part: str, suffix: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            (found,) = flowzoo.export_model(model, Path(folder) / f"model{suffix}", format_, part)
        except flowzoo.FlowzooError as error:
            return f"refused: {error}"
    return f"{found.difference:.1e}"


if __name__ == "__main__":
    main()
