"""Flow matching: the loss has its closed form, and training by it reaches the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowzoo.api import Call, OptionError
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.conv_field import ConvField
from flowzoo_cnf.flow_matching import flow_matching_loss
from flowzoo_cnf.paths import EARLIEST, likelihood_times, point
from flowzoo_cnf.settings import Settings


def zero_field() -> ConvField:
    return ConvField(1, 1, hidden=4)  # its last layer starts at zero


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_fields_that_are_zero_pay_the_distance_from_data_to_noise(blocks: int) -> None:
    x = 3.0 * torch.randn(4000, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    call = Call(mode="train", generator=torch.Generator().manual_seed(1))
    loss = flow_matching_loss([zero_field() for _ in range(blocks)], x, None, call, Settings())
    # 0.5 E|z - x|^2 = 0.5 D (1 + 9), whatever the number of blocks.
    assert float(loss.detach().mean()) == pytest.approx(20.0, rel=0.05)


def test_every_block_is_trained_and_at_its_own_times() -> None:
    seen: list[torch.Tensor] = []

    class Watching(ConvField):
        def forward(self, x, context=None, time=None, call=None):  # type: ignore[no-untyped-def]
            seen.append(time)
            return super().forward(x, context, time)

    blocks = [Watching(1, 1, hidden=4) for _ in range(3)]
    x = torch.randn(90, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    flow_matching_loss(blocks, x, None, Call(mode="train"), Settings()).sum().backward()
    assert [len(times) for times in seen] == [30, 30, 30]
    assert all(float(times.min()) >= 0 and float(times.max()) <= 1 for times in seen)
    assert all(float(times.min()) < 0.1 and float(times.max()) > 0.9 for times in seen)


def test_training_by_flow_matching_reaches_the_entropy_of_a_gaussian() -> None:
    torch.manual_seed(0)
    scale = torch.tensor([0.5, 2.0]).reshape(1, 1, 1, 2)
    settings = Settings(objective="flow-matching", evaluation_tolerance=1e-5, evaluation_trace="exact")
    flow = CNF([ConvField(1, 1, hidden=32, layers=3) for _ in range(2)], settings)
    optimiser = torch.optim.Adam(flow.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    call = Call(mode="train", generator=generator)
    for step in range(600):
        optimiser.param_groups[0]["lr"] = 3e-3 * 0.5 * (1 + math.cos(math.pi * step / 600))
        x = scale * torch.randn(256, 1, 1, 2, generator=generator)
        loss = flow.loss(x, None, call).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x = scale * torch.randn(2000, 1, 1, 2, generator=generator)
    with torch.no_grad():
        z, log_det = flow(x)
    found = float((0.5 * z.square().sum((1, 2, 3)) + math.log(2 * math.pi) - log_det).mean())
    own = float((0.5 * (x / scale).square().sum((1, 2, 3)) + math.log(2 * math.pi)).mean())  # log det = 0
    assert own - 0.01 < found < own + 0.08


def test_on_the_trigonometric_path_the_best_field_of_normal_data_is_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20_000, 1, 2, 2, generator=generator)
    data = x.reshape(-1, 4)
    call = Call(mode="train", generator=generator)
    at = point("trigonometric", torch.full((len(x), 1, 1, 1), 0.3))
    z = call.normal(x)
    v = (at.data * x + at.noise * z).reshape(-1, 4)
    velocity = (at.data_rate * x + at.noise_rate * z).reshape(-1, 4)
    assert abs(float((v * velocity).mean())) < 0.02  # no linear field predicts the velocity from v
    assert float(v.std()) == pytest.approx(1.0, abs=0.01)
    straight = point("straight", torch.full((1,), 0.3))
    mixed = straight.data * data + straight.noise * z.reshape(-1, 4)
    assert abs(float((mixed * (z.reshape(-1, 4) - data)).mean())) > 0.3


def test_rates_are_the_derivatives_of_the_path() -> None:
    time = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    for path in ("straight", "trigonometric"):
        before, at, after = (point(path, time + change) for change in (-1e-6, 0.0, 1e-6))
        torch.testing.assert_close((after.data - before.data) / 2e-6, at.data_rate)
        torch.testing.assert_close((after.noise - before.noise) / 2e-6, at.noise_rate)


def test_likelihood_times_come_as_often_as_the_bound_weights_them() -> None:
    uniform = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    times = likelihood_times(uniform)
    assert bool((times.diff() > 0).all())
    counts, edges = np.histogram(times.numpy(), bins=np.geomspace(EARLIEST, 0.999, 9))
    expected = np.diff(np.log(np.sin(0.5 * np.pi * edges)))  # the integral of cot, up to a constant factor
    np.testing.assert_allclose(counts / counts.sum(), expected / expected.sum(), rtol=0.01, atol=1e-4)
    assert float((times < EARLIEST / 2).double().mean()) == pytest.approx(
        float((times < EARLIEST).double().mean()) / 2, rel=0.01
    )


def test_likelihood_times_need_the_path_that_they_belong_to() -> None:
    with pytest.raises(OptionError, match="times"):
        Settings(times="likelihood")
