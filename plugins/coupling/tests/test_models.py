"""RealNVP and Glow whole: their likelihoods by brute force, and parts exchanged by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import flowzoo
from flowzoo.api import Call, Flow, ShapeError
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.testing import brute_force_log_prob, randomise

NARROW = {"hidden": 4}
REALNVP = {"joint": {"network": {**NARROW, "blocks": 1}}, "last": {"network": {**NARROW, "blocks": 1}}}
GLOW = {
    "joint": {"steps": 2, "network": NARROW},
    "bijector": {"network": NARROW},
    "last": {"steps": 2, "network": NARROW},
}


def ready(name: str, shape: tuple[int, int, int], **options: Any) -> tuple[Flow, torch.Tensor]:
    """Return a model that has seen data, with random weights, and images to try it on."""
    pixels = {"name": "logit", "alpha": 0.05}
    model = flowzoo.create_model(name, shape, pixels=pixels, seed=0, **options).double()
    x = torch.rand(64, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model.initialise([x])
    randomise(model, seed=0)
    return model, x[:3]


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 4, 8)])
@pytest.mark.parametrize(("name", "options"), [("realnvp", REALNVP), ("glow", GLOW)])
def test_log_prob_is_that_of_the_whole_jacobian(
    name: str, options: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    model, x = ready(name, shape, levels=3, **options)
    found = model.log_prob(x)
    torch.testing.assert_close(found, brute_force_log_prob(model, x), atol=1e-9, rtol=1e-12)
    torch.testing.assert_close(model.decode(model.encode(x)), x, atol=1e-9, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("realnvp", {**REALNVP, "split": "checkerboard"}),
        ("realnvp", {"split": {"name": "keep-first-channels", "divisor": 4}, "transform": "haar", **REALNVP}),
        ("realnvp", {"transform": "squeeze", "split": "halves", **REALNVP}),
        ("realnvp", {"bijector": {"name": "conditional-affine", "network": NARROW}, **REALNVP}),
        ("glow", {**GLOW, "joint": {"name": "realnvp", **REALNVP["joint"]}}),
        ("glow", {**GLOW, "bijector": {"name": "glow", "steps": 1, "network": {"name": "dense", **NARROW}}}),
        ("glow", {**GLOW, "joint": "identity", "transform": "haar", "split": "keep-first-channels"}),
    ],
)
def test_parts_are_exchanged_by_name(name: str, options: dict[str, Any]) -> None:
    model, x = ready(name, (1, 4, 4), levels=2, **options)
    torch.testing.assert_close(model.log_prob(x), brute_force_log_prob(model, x), atol=1e-9, rtol=1e-12)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_half_of_each_level_goes_on(name: str) -> None:
    model = flowzoo.create_model(name, (3, 16, 16), levels=3)
    assert list(model.latent_shapes) == [(6, 8, 8), (12, 4, 4), (12, 4, 4)]


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_an_image_that_cannot_be_halved_so_often_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="halves height and width, and 3x3 is odd"):
        flowzoo.create_model(name, (1, 6, 6), levels=3)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_one_level_takes_any_size(name: str) -> None:
    last = (REALNVP if name == "realnvp" else GLOW)["last"]
    model, x = ready(name, (1, 3, 3), levels=1, last=last)
    torch.testing.assert_close(model.log_prob(x), brute_force_log_prob(model, x), atol=1e-9, rtol=1e-12)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_a_few_steps_of_adam_on_digits_lower_bits_per_dim_much(name: str) -> None:
    digits = load_dataset("digits").split("train").take(range(64))
    options = REALNVP if name == "realnvp" else GLOW
    pixels = {"name": "logit", "alpha": 1e-3}
    model = flowzoo.create_model(name, (1, 8, 8), bins=17, pixels=pixels, seed=0, preset="paper", **options)
    call = Call(mode="train", generator=torch.Generator().manual_seed(0))
    x = dequantise(digits, 17, call)
    model.initialise([x])
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    before = model.bits_per_dim(digits).mean().item()
    for _ in range(15):
        loss = torch.stack(model.loss(x, call)).sum(0).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        x = dequantise(digits, 17, call)
    assert model.bits_per_dim(digits).mean().item() < before - 0.3
