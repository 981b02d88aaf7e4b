"""Flow matching: the loss has its closed form, and training by it reaches the truth."""

from __future__ import annotations

import math

import pytest
import torch

from flowzoo.api import Call
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.conv_field import ConvField
from flowzoo_cnf.flow_matching import flow_matching_loss
from flowzoo_cnf.settings import Settings


def zero_field() -> ConvField:
    return ConvField(1, 1, hidden=4)  # its last layer starts at zero


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_fields_that_are_zero_pay_the_distance_from_data_to_noise(blocks: int) -> None:
    x = 3.0 * torch.randn(4000, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    call = Call(mode="train", generator=torch.Generator().manual_seed(1))
    loss = flow_matching_loss([zero_field() for _ in range(blocks)], x, None, call)
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
    flow_matching_loss(blocks, x, None, Call(mode="train")).sum().backward()
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
