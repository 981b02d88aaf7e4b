"""The project's own recorded figures are confirmed by the weights that lie beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowzoo.bench.store import identity, read_results
from flowzoo.bench.verify import verify

QUICK = Path(__file__).parents[2] / "benchmarks" / "results" / "suites" / "quick"


@pytest.mark.parametrize("label", ["glow", "mrcnf"])
def test_recorded_figures_are_confirmed(label: str) -> None:
    found = read_results(QUICK)
    (result,) = (each for each in found.results if each.label == label and each.experiment.seed == 0)

    outcome = verify(found.paths[identity(result)], result, images=24, device="cpu")

    assert outcome.faults == ()
    assert outcome.images == 24
