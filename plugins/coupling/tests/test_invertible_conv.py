"""The invertible 1x1 convolution, against NumPy and normflows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from normflows.flows.mixing import Invertible1x1Conv
from torch import Tensor

from flowzoo.testing import randomise
from flowzoo_coupling.invertible_conv import InvertibleConv


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def made(channels: int) -> InvertibleConv:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(channels)
        conv = InvertibleConv(channels).double()
    randomise(conv, seed=0)
    return conv


@pytest.mark.parametrize("channels", [1, 2, 3, 12])
def test_its_determinant_and_inverse_are_numpy_s(channels: int) -> None:
    conv = made(channels)
    x = draw(3, channels, 2, 5)
    z, log_det = conv(x)
    weight = conv.weight.detach().numpy()
    expected = 10 * np.linalg.slogdet(weight).logabsdet
    np.testing.assert_allclose(log_det.detach().numpy(), np.full(3, expected), atol=1e-12)
    np.testing.assert_allclose(z.detach().numpy(), np.einsum("oc,bchw->bohw", weight, x.numpy()), atol=1e-12)
    back = np.einsum("oc,bchw->bohw", np.linalg.inv(weight), draw(3, channels, 2, 5, seed=1).numpy())
    found = conv.inverse(draw(3, channels, 2, 5, seed=1)).detach().numpy()
    np.testing.assert_allclose(found, back, atol=1e-9)


@pytest.mark.filterwarnings("ignore:torch.lu is deprecated:UserWarning")  # normflows calls it
@pytest.mark.parametrize("channels", [2, 12])
def test_it_is_that_of_normflows(channels: int) -> None:
    ours = made(channels)
    theirs = Invertible1x1Conv(channels, use_lu=True).double()
    with torch.no_grad():
        theirs.P.copy_(torch.eye(channels, dtype=torch.float64)[ours.order])
        theirs.sign_S.copy_(ours.sign)
        theirs.L.copy_(ours.factors)
        theirs.U.copy_(ours.factors)
        theirs.log_S.copy_(ours.factors.diagonal())
    x = draw(3, channels, 2, 5)
    z, log_det = ours(x)
    expected, expected_log_det = theirs.inverse(x)  # normflows' inverse is from data to noise
    torch.testing.assert_close(z, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(log_det, expected_log_det.expand(3), atol=1e-12, rtol=0)
    torch.testing.assert_close(ours.inverse(z), theirs(expected)[0], atol=1e-9, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 48])
def test_it_starts_as_a_rotation(channels: int) -> None:
    conv = InvertibleConv(channels)
    weight = conv.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(channels), atol=1e-5, rtol=0)
    _, log_det = conv(torch.zeros(1, channels, 4, 4))
    assert abs(float(log_det.detach())) < 1e-3


def test_shares_of_a_scaled_permutation_move_with_their_channels() -> None:
    conv = made(3)
    with torch.no_grad():
        conv.factors.copy_(torch.diag(torch.tensor([0.5, -0.25, 1.0])))
        conv.order.copy_(torch.tensor([2, 0, 1]))
    before = draw(2, 3, 2, 2)
    _, contributions = conv.forward_with_contributions(draw(2, 3, 2, 2, seed=1), before)
    stretched = before + torch.tensor([0.5, -0.25, 1.0])[:, None, None]
    torch.testing.assert_close(contributions, stretched[:, [2, 0, 1]], atol=1e-6, rtol=0)
