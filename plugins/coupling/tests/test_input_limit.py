"""A bound on what networks see keeps their output bounded, and so samples in the range of the data."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.api import OptionError
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise


def output(scale: float, input_limit: float | None) -> torch.Tensor:
    torch.manual_seed(0)
    network = build_component(
        "network", "glow-conv", (2, 4, 4), 3, (1, 2, 2), False, hidden=4, input_limit=input_limit
    )
    randomise(network, seed=0)
    generator = torch.Generator().manual_seed(0)
    x, context = (torch.randn(1, *shape, generator=generator) for shape in ((2, 4, 4), (1, 2, 2)))
    found: torch.Tensor = network(scale * x, scale * context)
    return found.detach()


def test_the_output_stays_bounded_with_a_limit_and_grows_without() -> None:
    torch.testing.assert_close(output(1e6, 3.0), output(1e8, 3.0))
    assert float(output(1e8, None).abs().max()) > 50 * float(output(1e6, None).abs().max())
    torch.testing.assert_close(output(0.01, 3.0), output(0.01, None), atol=1e-4, rtol=1e-4)


def test_samples_of_a_rough_wavelet_flow_stay_where_those_of_the_paper_s_network_explode() -> None:
    def largest(**options: object) -> float:
        model = flowzoo.create_model("wavelet-flow", (1, 16, 16), seed=0, **options)
        x = torch.rand(64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        model.initialise([x])
        randomise(model, seed=0)
        latents = [
            8.0 * torch.randn(8, *shape, generator=torch.Generator().manual_seed(1))
            for shape in model.latent_shapes
        ]
        with torch.no_grad():
            return float(model.decode(latents).abs().max())

    assert largest() < largest(preset="paper") / 10


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf")])
def test_a_limit_that_is_not_positive_is_refused(limit: float) -> None:
    with pytest.raises(OptionError, match="input_limit"):
        flowzoo.create_model("wavelet-flow", (1, 8, 8), **{"bijector.network.input_limit": limit})
