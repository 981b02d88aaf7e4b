"""The Glow bijector: its first pass over data, and shapes at the edges."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowzoo.api import Call
from flowzoo.registry.build import build_component
from flowzoo.testing import checks_for, run_check, trial_of

EDGES = [
    ((1, 1, 1), None),
    ((1, 1, 1), (2, 1, 1)),
    ((3, 1, 1), (1, 3, 3)),
    ((1, 3, 3), None),
    ((3, 3, 2), (1, 2, 2)),
    ((1, 2, 2), (2, 1, 1)),
]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# A single value is an edge of what can be computed, and too little for a component to declare as its trial.
# Other shapes and options are tried for a single value alone: other shapes of the rest are no edges.
AT_THE_EDGES = [
    pytest.param(shape, context_shape, check, id=f"{shape}-{context_shape}-{check}")
    for shape, context_shape in EDGES
    for check in checks_for("bijector")
    if check != "declaration" and (shape == (1, 1, 1) or check not in ("other-shapes", "other-options"))
]


@pytest.mark.parametrize("squeeze", [False, True])
@pytest.mark.parametrize(("shape", "context_shape", "check"), AT_THE_EDGES)
def test_shapes_at_the_edges(
    shape: tuple[int, int, int], context_shape: tuple[int, int, int] | None, squeeze: bool, check: str
) -> None:
    trial = trial_of("bijector", "glow", squeeze=squeeze)
    result = run_check(trial.with_check(shape=shape, context_shape=context_shape), check)
    assert result.passed, result.detail


@pytest.mark.parametrize("squeeze", [False, True])
def test_the_first_pass_leaves_unit_outputs(squeeze: bool) -> None:
    bijector = build_component("bijector", "glow", (2, 4, 4), None, squeeze=squeeze).double()
    x = 5.0 + 3.0 * draw(64, 2, 4, 4) @ draw(4, 4, seed=1)
    z, log_det = bijector(x, None, Call(mode="initialise"))
    # A new convolution rotates and a new coupling does nothing, so the squares that ActNorm set are kept.
    torch.testing.assert_close(z.square().mean(), torch.tensor(1.0).double(), atol=1e-6, rtol=0)
    again, same = bijector(x)
    assert torch.equal(again, z)
    assert torch.equal(same, log_det)


def test_an_additive_one_preserves_volume_but_for_its_linear_parts() -> None:
    bijector = build_component("bijector", "glow", (2, 4, 4), None, additive=True).double()
    bijector(draw(64, 2, 4, 4), None, Call(mode="initialise"))
    _, log_det = bijector(draw(3, 2, 4, 4, seed=1))
    assert torch.equal(log_det, log_det[:1].expand(3))
