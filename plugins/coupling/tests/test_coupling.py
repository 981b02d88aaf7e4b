"""The coupling: affine ones against normflows with the same network."""

from __future__ import annotations

import pytest
import torch
from normflows.flows.affine.coupling import MaskedAffineFlow
from torch import Tensor, nn

from flowzoo.testing import randomise
from flowzoo_coupling.affine import AffineMap, ShiftMap
from flowzoo_coupling.coupling import Coupling
from flowzoo_coupling.glow_conv import GlowConv
from flowzoo_coupling.partition import Checkerboard, Halves, Partition

SHAPE = (4, 3, 4)
LIMIT = 1.5


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def coupling(partition: Partition, additive: bool = False, started: bool = True) -> Coupling:
    elementwise = ShiftMap() if additive else AffineMap(LIMIT)
    outputs = partition.moved_channels * elementwise.parameters
    made = Coupling(GlowConv(max(1, partition.seen_channels), outputs, 8), partition, elementwise)
    made.double()
    if started:
        randomise(made, seed=0)
        randomise(made, seed=1)
    return made


class OfMaskedImage(nn.Module):
    """What normflows gives its networks is the whole image, zero where it moves; what it takes likewise."""

    def __init__(self, ours: Coupling, which: int) -> None:
        super().__init__()
        self.ours = ours
        self.which = which

    def forward(self, masked: Tensor) -> Tensor:
        channels = masked.shape[1]
        by_half = self.ours.network(masked[:, : channels // 2]) if self._halves else self.ours.network(masked)
        part = by_half.chunk(2, dim=1)[self.which]
        part = LIMIT * torch.tanh(part) if self.which == 0 else part
        return torch.cat([torch.zeros_like(part), part], dim=1) if self._halves else part

    @property
    def _halves(self) -> bool:
        return self.ours.partition.seen_channels < SHAPE[0]


def masks() -> dict[str, tuple[Partition, Tensor]]:
    row, column = torch.arange(3)[:, None], torch.arange(4)
    board = ((row + column) % 2 == 1).expand(SHAPE)
    half = (torch.arange(4) < 2)[:, None, None].expand(SHAPE)
    return {"checkerboard": (Checkerboard(4, 0), board), "halves": (Halves(4, 0), half)}


@pytest.mark.parametrize("name", ["checkerboard", "halves"])
def test_it_is_that_of_normflows(name: str) -> None:
    partition, stays = masks()[name]
    ours = coupling(partition)
    theirs = MaskedAffineFlow(stays.double(), t=OfMaskedImage(ours, 1), s=OfMaskedImage(ours, 0))
    x = draw(5, *SHAPE)
    z, log_det = ours(x)
    expected_z, expected_log_det = theirs(x)
    assert float((z - x).detach().abs().max()) > 0.1
    torch.testing.assert_close(z, expected_z, atol=1e-12, rtol=0)
    torch.testing.assert_close(log_det, expected_log_det, atol=1e-12, rtol=0)
    torch.testing.assert_close(ours.inverse(z), theirs.inverse(expected_z)[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["checkerboard", "halves"])
def test_it_starts_as_the_identity_with_useful_gradients(name: str) -> None:
    ours = coupling(masks()[name][0], started=False)
    x = draw(5, *SHAPE)
    z, log_det = ours(x)
    assert torch.equal(z, x)
    assert not log_det.any()
    (z.square().sum() / 2 - log_det.sum()).backward()
    last = ours.network.last
    assert bool((last.bias.grad != 0).all())
    assert bool((last.weight.grad.flatten(1) != 0).any(1).all())


@pytest.mark.parametrize("name", ["checkerboard", "halves"])
def test_each_value_that_moves_has_its_log_scale_as_its_share(name: str) -> None:
    partition, stays = masks()[name]
    ours = coupling(partition)
    x = draw(2, *SHAPE).requires_grad_()
    before = draw(2, *SHAPE, seed=1)
    z, contributions = ours.forward_with_contributions(x, before)
    slopes = torch.stack(
        [
            torch.autograd.grad(value.sum(), x, retain_graph=True)[0].flatten(1)[:, place]
            for place, value in enumerate(z.flatten(1).T)
        ],
        dim=1,
    ).reshape(z.shape)
    torch.testing.assert_close(contributions - before, slopes.log(), atol=1e-12, rtol=0)
    assert not bool((contributions - before)[:, stays].any())


def test_scales_stay_within_their_limit() -> None:
    ours = coupling(Halves(4, 0))
    with torch.no_grad():
        ours.network.last.bias.fill_(1e3)
    _, contributions = ours.forward_with_contributions(
        draw(2, *SHAPE), torch.zeros(2, *SHAPE, dtype=torch.float64)
    )
    torch.testing.assert_close(contributions[:, 2:], torch.full_like(contributions[:, 2:], LIMIT))


@pytest.mark.parametrize("name", ["checkerboard", "halves"])
def test_an_additive_one_preserves_volume(name: str) -> None:
    ours = coupling(masks()[name][0], additive=True)
    x = draw(3, *SHAPE)
    z, log_det = ours(x)
    assert float((z - x).detach().abs().max()) > 0.1
    assert not log_det.any()
    torch.testing.assert_close(ours.inverse(z), x, atol=1e-12, rtol=0)
    before = draw(3, *SHAPE, seed=1)
    same, contributions = ours.forward_with_contributions(x, before)
    assert torch.equal(same, z)
    assert torch.equal(contributions, before)


def test_half_precision_sums_its_log_det_in_float32() -> None:
    ours = coupling(Halves(4, 0)).bfloat16()
    z, log_det = ours(draw(2, *SHAPE).bfloat16())
    assert (z.dtype, log_det.dtype) == (torch.bfloat16, torch.float32)
