"""Guidance follows the field without labels, plus a multiple of what a label changes in it."""

from __future__ import annotations

import pytest
import torch

from flowzoo.api import Flow, OptionError
from flowzoo.perturbation import randomise
from flowzoo.registry.models import create_model

FIELD = {"name": "conv-field", "hidden": 4, "layers": 2}
CNF = {
    "blocks": 2,
    "network": FIELD,
    "objective": "likelihood",
    "evaluation_solver": "rk4",
    "evaluation_steps": 3,
}


def made(**options: object) -> Flow:
    flow = create_model(
        "rnode", (1, 4, 4), seed=0, **{"classes": 3, "bijector": CNF, "normalise": "standardise", **options}
    )
    images = torch.rand(32, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    flow.initialise([(images, torch.arange(32) % 3)])
    randomise(flow, 0)
    return flow


def test_weights_zero_and_one_are_the_model_without_and_with_labels() -> None:
    flow = made()
    plain, given = flow.sample(3, seed=0), flow.sample(3, seed=0, labels=[0, 1, 2])
    assert torch.allclose(flow.sample(3, seed=0, labels=[0, 1, 2], guidance=0.0), plain, atol=1e-5)
    assert torch.equal(flow.sample(3, seed=0, labels=[0, 1, 2], guidance=1.0), given)
    assert not torch.allclose(flow.sample(3, seed=0, labels=[0, 1, 2], guidance=2.0), given, atol=1e-3)


def test_the_guided_field_is_solved_as_any_other() -> None:
    """The same Runge-Kutta steps, written out, of the field that guidance defines."""
    flow = made(bijector={**CNF, "blocks": 1}).double()
    labels, weight = torch.tensor([0, 2]), 2.5
    standardise = flow.level(0).conditional
    (field,) = standardise.inner.inner.blocks

    def planes(classes: torch.Tensor) -> torch.Tensor:
        own = torch.zeros(2, 3, 4, 4, dtype=torch.float64)
        for image, number in enumerate(classes.tolist()):
            if number >= 0:
                own[image, number] = 1.0
        return own

    def guided(v: torch.Tensor, t: float) -> torch.Tensor:
        time = torch.tensor(t, dtype=torch.float64)
        without = field(v, planes(torch.tensor([-1, -1])), time)
        return without + weight * (field(v, planes(labels), time) - without)

    z = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    v, step = z, -1.0 / 3
    for place in range(3):
        t = 1.0 + place * step
        k1 = guided(v, t)
        k2 = guided(v + step / 2 * k1, t + step / 2)
        k3 = guided(v + step / 2 * k2, t + step / 2)
        k4 = guided(v + step * k3, t + step)
        v = v + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    expected = flow.pixels.inverse(standardise.scale.inverse(v))

    from flowzoo.api import Call, Solving

    found = flow.decode([z], Call(solver=Solving(guidance=weight)), labels=labels)
    assert torch.allclose(found, expected, atol=1e-10)


def test_an_adaptive_solver_keeps_the_two_halves_the_same_images() -> None:
    flow = made(bijector={**CNF, "evaluation_solver": "dopri5", "evaluation_steps": None})
    samples = flow.sample(12, seed=0, labels=1, guidance=3.0)
    again = flow.sample(12, seed=0, labels=1, guidance=3.0, batch_size=5)
    assert torch.allclose(samples, again, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "labels", "guidance", "named"),
    [
        ({}, None, 2.0, "no labels"),
        ({}, 0, -1.0, "-1"),
        ({}, 0, float("nan"), "nan"),
        ({"class_dropout": 0.0}, 0, 2.0, "class_dropout"),
        ({"bijector": {"name": "conditional-affine", "network": {"hidden": 4}}}, 0, 2.0, "vector field"),
    ],
)
def test_guidance_that_means_nothing_is_refused(
    options: dict[str, object], labels: int | None, guidance: float, named: str
) -> None:
    with pytest.raises(OptionError, match=named):
        made(**options).sample(1, seed=0, labels=labels, guidance=guidance)
