"""The RealNVP bijector: its masks, its penalty, and shapes at the edges."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from flowzoo.api import Call, Ledger, OptionError
from flowzoo.registry.build import build_component
from flowzoo.testing import checks_for, randomise, run_check, trial_of
from flowzoo.testing.brute_force import brute_force_log_det

NARROW = {"network": {"name": "residual-conv", "hidden": 4, "blocks": 1}}

EDGES = [
    ((1, 1, 1), None),
    ((1, 1, 1), (2, 1, 1)),
    ((2, 1, 1), None),
    ((3, 1, 1), (1, 3, 3)),
    ((1, 3, 3), None),
    ((2, 3, 2), (1, 2, 2)),
    ((1, 1, 4), (1, 1, 2)),
    ((3, 2, 2), (2, 1, 1)),
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


@pytest.mark.parametrize(("shape", "context_shape", "check"), AT_THE_EDGES)
def test_shapes_at_the_edges(
    shape: tuple[int, int, int], context_shape: tuple[int, int, int] | None, check: str
) -> None:
    trial = trial_of("bijector", "realnvp").with_check(shape=shape, context_shape=context_shape)
    result = run_check(trial, check)
    assert result.passed, result.detail


@pytest.mark.parametrize(
    "network",
    [
        {"name": "glow-conv", "hidden": 4},
        {"name": "dense", "hidden": 4},
        {"name": "gated-resnet", "hidden": 4, "blocks": 1},
        {"name": "vit", "width": 4, "depth": 1},
    ],
    ids=lambda network: network["name"],
)
def test_other_networks_do_as_well(network: dict[str, object]) -> None:
    trial = trial_of("bijector", "realnvp", network=network)
    for check in checks_for("bijector"):
        result = run_check(trial, check)
        assert result.passed, result.detail


def test_log_det_with_a_context_of_another_size_is_that_of_the_jacobian() -> None:
    bijector = build_component("bijector", "realnvp", (2, 4, 4), (1, 2, 2), **NARROW).double()
    randomise(bijector, seed=0)
    x, context = draw(3, 2, 4, 4).requires_grad_(), draw(3, 1, 2, 2, seed=1)
    z, log_det = bijector(x, context)
    torch.testing.assert_close(log_det, brute_force_log_det(z, x), atol=1e-10, rtol=0)


@pytest.mark.parametrize(("checkerboard", "channel"), [(1, 0), (2, 0), (0, 1), (0, 2)])
def test_the_values_that_move_are_those_of_the_masks(checkerboard: int, channel: int) -> None:
    bijector = build_component(
        "bijector", "realnvp", (1, 2, 2), None, checkerboard=checkerboard, channel=channel, **NARROW
    ).double()
    randomise(bijector, seed=0)
    x = draw(1, 1, 2, 2)
    moved = (bijector(x)[0] != x)[0, 0].tolist()
    expected = {
        (1, 0): [[True, False], [False, True]],
        (0, 1): [[False, False], [True, True]],  # the last two channels of the squeezed view: the lower row
    }
    assert moved == expected.get((checkerboard, channel), [[True, True], [True, True]])


def test_weight_scales_are_penalised_in_bits_per_dim_and_only_in_training() -> None:
    bijector = build_component(
        "bijector", "realnvp", (2, 4, 4), None, weight_scale_penalty=0.5, **NARROW
    ).double()
    squares = sum(
        float(each.detach().square().sum())
        for name, each in bijector.named_parameters()
        if name.endswith("weight_scale")
    )
    assert squares > 1
    x = draw(3, 2, 4, 4)
    for call in (bijector, partial(bijector.forward_with_contributions, x)):
        ledger = Ledger()
        call(x, None, Call(mode="train", ledger=ledger))
        found = ledger.penalties["weight scales"].detach()
        expected = torch.full((3,), 0.5 * 32 * math.log(2.0) * squares, dtype=torch.float64)
        torch.testing.assert_close(found, expected, atol=0, rtol=1e-12)
        ledger = Ledger()
        call(x, None, Call(mode="evaluate", ledger=ledger))
        assert not ledger.penalties


@pytest.mark.parametrize(
    "options", [{"weight_scale_penalty": 0.0, **NARROW}, {"network": {"name": "glow-conv", "hidden": 4}}]
)
def test_without_a_weight_or_without_scales_there_is_no_penalty(options: dict[str, object]) -> None:
    bijector = build_component("bijector", "realnvp", (2, 4, 4), None, **options)
    ledger = Ledger()
    bijector(draw(3, 2, 4, 4).float(), None, Call(mode="train", ledger=ledger))
    assert not ledger.penalties


def test_an_additive_one_preserves_volume() -> None:
    bijector = build_component("bijector", "realnvp", (2, 4, 4), None, additive=True, **NARROW).double()
    randomise(bijector, seed=0)
    x = draw(3, 2, 4, 4)
    z, log_det = bijector(x)
    assert not log_det.any()
    assert float((z - x).detach().abs().max()) > 0.01
    torch.testing.assert_close(bijector.inverse(z), x, atol=1e-10, rtol=0)


def test_no_coupling_at_all_is_refused() -> None:
    with pytest.raises(OptionError, match="leave no coupling; for none use 'identity'"):
        build_component("bijector", "realnvp", (2, 4, 4), None, checkerboard=0, channel=0)
