"""Operations are counted by hand for models that are small enough for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import flowzoo
from flowzoo.bench.metrics.flops import count_flops
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import EVALUATION, Call
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.network import Network
from flowzoo.registry.build import build_component


class Shifted(ConditionalBijector):
    """Adds what one 3x3 convolution makes of nothing: a shift, which costs one convolution an image."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Conv2d(1, 1, 3, padding=1)

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        return x + self.network(torch.zeros_like(x)), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return z - self.network(torch.zeros_like(z))


class Convolved(Network):
    """One 3x3 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Conv2d(1, 1, 3, padding=1, bias=False)

    def forward(
        self, x: Tensor, context: Tensor | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Tensor:
        return self.network(x)


CONVOLUTION = 2 * 9 * 8 * 8
"""Nine multiplications and as many additions for each of 8x8 pixels."""


@pytest.mark.parametrize("name", ["log-prob-flops", "sample-flops"])
def test_one_convolution_costs_what_it_costs_by_hand(load: Any, name: str) -> None:
    levels = [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Shifted())]
    trained = replace(load("gaussian"), flow=Flow((1, 8, 8), levels, IdentityBijector(), bins=17))

    found = build_component("metric", name, batch_size=3).measure(trained)

    assert found.value == pytest.approx(CONVOLUTION / 1e6)
    assert found.details["operations_of_batch"] == {"convolution": 3 * CONVOLUTION}
    assert (found.unit, found.better, found.repeats) == ("MFLOPs/image", "lower", True)
    assert found.conditions["batch_size"] == 3


def test_a_gaussian_costs_a_triangular_system_and_a_product(measure: Any) -> None:
    assert measure("log-prob-flops", "gaussian").value == pytest.approx(64 * 64 / 1e6)
    assert measure("sample-flops", "gaussian").value == pytest.approx(2 * 64 * 64 / 1e6)


def test_systems_and_attention_are_counted_too() -> None:
    matrix, right = torch.eye(6), torch.ones(6, 2)
    solved = count_flops(lambda: torch.linalg.solve(matrix, right))
    assert sum(solved.values()) == 2 * 6**3 // 3 + 2 * 6**2 * 2
    solved = count_flops(lambda: torch.linalg.solve_triangular(matrix, right, upper=True))
    assert sum(solved.values()) == 6**2 * 2
    queries = torch.ones(1, 2, 5, 4)  # two heads, five places, four channels
    attended = count_flops(lambda: nn.functional.scaled_dot_product_attention(queries, queries, queries))
    assert sum(attended.values()) == 2 * (2 * 5 * 4 * 5 + 2 * 5 * 5 * 4)


def test_jacobian_products_are_counted_with_their_tangents() -> None:
    """torch differentiates a convolution by its weights too, and multiplies by their tangent, which is 0."""
    x = torch.ones(1, 1, 8, 8)
    field = Convolved().prepare(None, x)
    one = count_flops(lambda: field.jvp(x, x, 0.0))
    value, by_weights = CONVOLUTION, CONVOLUTION
    assert one == {"convolution": value + by_weights + CONVOLUTION}
    many = count_flops(lambda: field.jvp_many(x, torch.ones(4, *x.shape), 0.0))
    assert many == {"convolution": value + by_weights + 4 * CONVOLUTION}


@pytest.mark.parametrize("steps", [1, 3])
def test_all_evaluations_of_a_solver_are_counted(steps: int) -> None:
    field = {"name": "conv-field", "hidden": 1, "layers": 2}
    bijector = {"blocks": 1, "network": field, "evaluation_solver": "rk4", "evaluation_steps": steps}
    options = {"normalise": "standardise", "bijector": bijector}
    flow = flowzoo.create_model("ffjord", (1, 8, 8), bins=17, seed=0, **options)
    flow.initialise([torch.arange(8 * 64).reshape(8, 1, 8, 8) % 17])
    evaluations, maps_of_time = 4 * steps, 2
    decoded = count_flops(lambda: flow.decode(flow.draw_latents(1)))
    assert decoded == {"convolution": (2 * evaluations + maps_of_time) * CONVOLUTION}
    # Each evaluation with a product adds one convolution; that of the probe by the first layer is made once.
    estimated = count_flops(lambda: flow.log_prob(torch.full((1, 1, 8, 8), 0.5)))
    assert estimated == {"convolution": (3 * evaluations + 1 + maps_of_time) * CONVOLUTION}


def test_what_is_compiled_is_counted_uncompiled() -> None:
    matrix = torch.ones(3, 3)
    compiled = torch.compile(lambda a: a @ matrix, backend="eager")
    assert count_flops(lambda: compiled(matrix)) == {"mm": 2 * 27}


def test_the_same_model_gives_the_same_figure(load: Any) -> None:
    metric = build_component("metric", "log-prob-flops", batch_size=2)
    assert metric.measure(load("mrcnf")) == metric.measure(load("mrcnf"))
