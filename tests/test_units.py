import math

import pytest
import torch

from flowzoo.units import bits_per_dim, nats_to_bits


@pytest.mark.parametrize("bins", [2, 17, 256])
def test_a_uniform_density_costs_log2_of_the_bins(bins: int) -> None:
    assert bits_per_dim(torch.zeros(2), 12, bins).tolist() == pytest.approx([math.log2(bins)] * 2)


def test_a_density_that_knows_the_integer_costs_nothing() -> None:
    dimensions = 12
    log_prob = torch.tensor([dimensions * math.log(256.0)], dtype=torch.float64)

    assert bits_per_dim(log_prob, dimensions, 256).item() == pytest.approx(0.0, abs=1e-12)


def test_one_bit_is_log_2_nats() -> None:
    assert nats_to_bits(torch.tensor([6 * math.log(2.0)]), 3).item() == pytest.approx(2.0)
