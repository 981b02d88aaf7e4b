"""Muon against torch's own, against Adam, and what it makes of a matrix."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flowzoo.training.checkpoint import optimiser_tensors, restore_optimiser
from flowzoo.training.muon import Muon, orthogonalise

RATE = 0.01


def drawn(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))))


def gradients(parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for each in parameters:
        each.grad = torch.randn(each.shape, generator=generator)


@pytest.mark.parametrize("shape", [(20, 48), (48, 20), (32, 32)])
def test_the_nearest_matrix_whose_singular_values_are_alike(shape: tuple[int, int]) -> None:
    matrix = drawn(*shape).detach()
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalise(matrix[None])[0].float() @ right.T
    torch.testing.assert_close(found.diag(), torch.full((min(shape),), 0.95), rtol=0, atol=0.3)
    assert (found - torch.diag(found.diag())).abs().max() < 0.1


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
def test_matrices_step_as_torch_s_own_muon_has_them_step() -> None:
    ours, theirs = [[drawn(24, 32), drawn(32, 24), drawn(24, 32)] for _ in range(2)]
    optimisers = [
        Muon(ours, [], lr=RATE),
        torch.optim.Muon(theirs, lr=RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
    ]
    for step in range(3):
        gradients(ours, step)
        gradients(theirs, step)
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02 * RATE)  # they compute in bfloat16


def test_a_convolution_steps_as_the_matrix_with_a_row_for_each_output() -> None:
    convolution = drawn(16, 3, 3, 3)
    flat = nn.Parameter(convolution.detach().clone().reshape(16, 27))
    gradients([convolution], 0)
    gradients([flat], 0)
    before = convolution.detach().clone()
    for each in (convolution, flat):
        Muon([each], [], lr=RATE).step()
    torch.testing.assert_close(convolution.reshape(16, 27), flat, rtol=1e-5, atol=1e-6)
    length = (convolution - before).square().mean().sqrt()
    assert 0.15 * RATE < length < 0.25 * RATE  # as long as a step of Adam is on average


def test_all_else_steps_as_with_adam_and_gradients_stay() -> None:
    ours = [drawn(8, 32), drawn(32, 4, 1, 1), drawn(5)]  # two weights that are too narrow, and a bias
    theirs = [nn.Parameter(each.detach().clone()) for each in ours]
    wide = drawn(16, 16)
    muon = Muon([wide, *ours[:2]], ours[2:], lr=RATE)
    adam = torch.optim.Adam(theirs, lr=RATE, fused=True)
    for step in range(3):
        gradients([*ours, wide], step)
        gradients(theirs, step)
        muon.step()
        adam.step()
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))
    assert all(each.grad is not None for each in (*ours, wide))


def test_a_restored_state_goes_on_as_before() -> None:
    parameters = [drawn(16, 20), drawn(5)]
    copies = [nn.Parameter(each.detach().clone()) for each in parameters]
    muon = Muon(parameters[:1], parameters[1:], lr=RATE)
    gradients(parameters, 0)
    muon.step()
    for copy, each in zip(copies, parameters, strict=True):
        copy.data.copy_(each.detach())
    restored = Muon(copies[:1], copies[1:], lr=RATE)
    restore_optimiser(restored, {name: each.clone() for name, each in optimiser_tensors(muon).items()})
    for optimiser, those in ((muon, parameters), (restored, copies)):
        gradients(those, 1)
        optimiser.step()
    assert all(torch.equal(*pair) for pair in zip(parameters, copies, strict=True))
