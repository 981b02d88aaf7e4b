"""Wavelet Flow: its likelihood by brute force, and its levels on their own."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.errors import OptionError
from flowzoo.testing import brute_force_log_prob, randomise

GLOW = {"steps": 2, "network": {"hidden": 4}}


def test_log_prob_is_that_of_the_whole_jacobian() -> None:
    model = flowzoo.create_model(
        "wavelet-flow",
        (1, 4, 4),
        levels=2,
        pixels={"name": "logit", "alpha": 0.05},
        seed=0,
        bijector=GLOW,
        last={**GLOW, "squeeze": True},
    ).double()
    x = torch.rand(64, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model.initialise([x])
    randomise(model, seed=0)
    torch.testing.assert_close(model.log_prob(x[:3]), brute_force_log_prob(model, x[:3]), atol=1e-9, rtol=0)


def test_levels_train_on_their_own_and_leave_one_pixel_in_the_end() -> None:
    model = flowzoo.create_model("wavelet-flow", (3, 8, 8), levels=4, bijector=GLOW, last=GLOW)
    assert model.separable
    assert model.latent_shapes == ((9, 4, 4), (9, 2, 2), (9, 1, 1), (3, 1, 1))


def test_a_halo_without_crops_is_refused() -> None:
    with pytest.raises(OptionError, match=r"halo=2.*crop"):
        flowzoo.create_model("wavelet-flow", (1, 8, 8), levels=2, bijector=GLOW, last=GLOW, halo=2)
