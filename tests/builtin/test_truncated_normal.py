import pytest
import scipy.stats
import torch
from torch import Tensor

from flowzoo.builtin.truncated_normal import TruncatedNormal
from flowzoo.call import Call
from flowzoo.errors import OptionError
from flowzoo.registry.models import create_model
from flowzoo.registry.probe import deviation, take_probe


def drawn(sigma: float, count: int = 2000) -> tuple[Tensor, Tensor]:
    images = torch.zeros((count, 1, 1, 1), dtype=torch.uint8)
    u, log_q = TruncatedNormal(sigma)(images, 256, Call(generator=torch.Generator().manual_seed(0)))
    return u.flatten(), log_q


@pytest.mark.parametrize("sigma", [0.05, 1 / 6, 0.7, 20.0])
def test_draws_and_density_are_those_of_scipy(sigma: float) -> None:
    u, log_q = drawn(sigma)
    truth = scipy.stats.truncnorm(-0.5 / sigma, 0.5 / sigma, loc=0.5, scale=sigma)

    assert torch.allclose(log_q, torch.from_numpy(truth.logpdf(u.numpy())), atol=1e-9)
    assert scipy.stats.kstest(u.numpy(), truth.cdf).pvalue > 0.01


def test_wide_noise_is_uniform() -> None:
    u, log_q = drawn(100.0)

    assert float(log_q.abs().max()) < 1e-4
    assert scipy.stats.kstest(u.numpy(), "uniform").pvalue > 0.01


def test_it_needs_affine_pixels() -> None:
    made = create_model("gaussian", (1, 2, 2), dequantisation="truncated-normal", pixels={"name": "affine"})
    assert made.dequantisation.title == "truncated normal, sigma 0.167"
    with pytest.raises(OptionError, match=r"truncated-normal.*pixels=affine"):
        create_model("gaussian", (1, 2, 2), dequantisation="truncated-normal", pixels="logit")


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_a_spread_that_is_not_positive_is_refused(sigma: float) -> None:
    noise = {"name": "truncated-normal", "sigma": sigma}
    with pytest.raises(OptionError, match="sigma"):
        create_model("gaussian", (1, 2, 2), dequantisation=noise)


def test_noise_that_changed_since_a_model_was_saved_is_found() -> None:
    flow = create_model("gaussian", (1, 2, 2), dequantisation="truncated-normal", seed=0)
    flow.initialise([torch.randint(0, 256, (64, 1, 2, 2), dtype=torch.uint8)])
    probe = take_probe(flow)
    assert deviation(flow, probe) is None

    flow.dequantisation = TruncatedNormal(0.3)

    found = deviation(flow, probe)
    assert found is not None
    assert found.row == "the dequantisation"
