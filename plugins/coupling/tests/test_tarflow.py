"""TarFlow: its blocks, its two inverses, its density, and masks that the kit has to find."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.builtin.stack import Stack
from flowzoo.errors import OptionError
from flowzoo.registry.build import build_component
from flowzoo.testing import Trial, randomise, run_check, trials_of
from flowzoo_coupling import causal_transformer
from flowzoo_coupling.autoregressive import AutoregressiveBlock
from flowzoo_coupling.causal_transformer import attention

SHAPE, CONTEXT_SHAPE = (2, 4, 6), (3, 2, 3)
SMALL: dict[str, Any] = {"patch_size": 2, "width": 8, "depth": 2, "heads": 2, "blocks": 3}


def tarflow(
    shape: tuple[int, int, int] = SHAPE, context: tuple[int, int, int] | None = None, **options: Any
) -> Stack:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        built: Stack = build_component("bijector", "tarflow", shape, context, **{**SMALL, **options})
    randomise(built, 0)
    return built.double()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_starts_as_the_identity() -> None:
    built = build_component("bijector", "tarflow", SHAPE, None, **SMALL)
    x = noise(2, *SHAPE).float()

    z, log_det = built(x)

    torch.testing.assert_close(z, x)
    assert not bool(log_det.any())


def test_both_inverses_are_right_and_the_same() -> None:
    x, context = noise(3, *SHAPE), noise(3, *CONTEXT_SHAPE, seed=1)
    found = []
    for way in ("sequential", "jacobi"):
        built = tarflow(context=CONTEXT_SHAPE, inverse=way)
        z, _ = built(x, context)
        found.append(built.inverse(z, context))
        torch.testing.assert_close(found[-1], x, rtol=0, atol=1e-12)
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)


def test_what_the_inverse_keeps_changes_nothing() -> None:
    """Patch by patch with the whole transformer run anew for each, by which the cached one is judged."""
    block: AutoregressiveBlock = tarflow().parts[1]  # type: ignore[assignment]
    z = noise(2, *SHAPE)
    patches = torch.zeros_like(block.grid.cut(z))
    for number in block.grid.places(block.order):
        image = block.grid.paste(patches)
        now = block.grid.cut(block(image)[0])
        log_slope = block.grid.cut(block.forward_with_contributions(image, torch.zeros_like(image))[1])
        patches[:, number] += (block.grid.cut(z) - now)[:, number] * torch.exp(-log_slope[:, number])

    torch.testing.assert_close(block.inverse(z), block.grid.paste(patches), rtol=0, atol=1e-12)


def passes(built: Stack, z: Tensor) -> int:
    """Return how often the transformers are run to invert."""
    counted = [0]

    def count(*_: object) -> None:
        counted[0] += 1

    for part in built.parts:
        part.transformer.register_forward_hook(count)
    built.inverse(z)
    return counted[0]


def test_a_tolerance_ends_the_jacobi_iteration_early() -> None:
    shape = (1, 8, 8)
    z = noise(2, *shape)
    exact, loose = (tarflow(shape, patch_size=1, inverse="jacobi", tolerance=each) for each in (0.0, 1e-3))

    assert 3 * 2 <= passes(loose, z) < passes(exact, z) < 3 * 64
    torch.testing.assert_close(loose.inverse(z), exact.inverse(z), rtol=0, atol=1e-2)


@pytest.mark.parametrize("way", ["sequential", "jacobi"])
def test_the_inverse_can_be_differentiated(way: str) -> None:
    built = tarflow((1, 2, 2), patch_size=1, inverse=way)
    z = noise(1, 1, 2, 2)

    back = torch.autograd.functional.jacobian(built.inverse, z).reshape(4, 4)
    there = torch.autograd.functional.jacobian(lambda x: built(x)[0], built.inverse(z)).reshape(4, 4)

    torch.testing.assert_close(back @ there, torch.eye(4, dtype=torch.float64))


def test_the_density_of_two_values_integrates_to_one() -> None:
    built = tarflow((1, 1, 2), patch_size=1)
    line = torch.linspace(-12, 12, 481, dtype=torch.float64)
    x = torch.cartesian_prod(line, line).reshape(-1, 1, 1, 2)
    with torch.no_grad():
        z, log_det = built(x)

    density = (standard_normal_log_prob(z) + log_det).exp()

    assert float(density.sum()) * 0.05**2 == pytest.approx(1.0, abs=1e-6)
    # It is not the normal distribution that it starts from.
    assert float((density - standard_normal_log_prob(x).exp()).abs().sum()) * 0.05**2 > 0.05


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, at the first use
def test_forward_mode_and_reverse_mode_agree() -> None:
    """Forward mode, by which the density audit differentiates, takes another kernel of torch's."""
    built = tarflow()
    x, tangent = noise(1, *SHAPE), noise(1, *SHAPE, seed=1)

    value, pushed = torch.func.jvp(lambda v: built(v)[0], (x,), (tangent,))

    torch.testing.assert_close(value, built(x)[0])
    jacobian = torch.autograd.functional.jacobian(lambda v: built(v)[0], x).reshape(x.numel(), x.numel())
    torch.testing.assert_close(pushed.flatten(), jacobian @ tangent.flatten())


@pytest.mark.parametrize(("place", "seen"), [((1, 1), True), ((3, 3), False)])
def test_the_first_patch_sees_the_context_around_it(place: tuple[int, int], seen: bool) -> None:
    block = tarflow((1, 4, 4), (1, 4, 4), patch_size=1, blocks=1).parts[0]
    x, context = noise(1, 1, 4, 4), noise(1, 1, 4, 4, seed=1)
    other = context.clone()
    other[0, 0, *place] += 1.0

    first, changed = (block(x, each)[0][0, 0, 0, 0] for each in (context, other))

    assert bool(first != changed) == seen


@pytest.mark.parametrize("trial", trials_of("bijector", "tarflow"), ids=lambda trial: trial.title)
class TestMasks:
    def test_one_that_shows_later_patches_is_found(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            causal_transformer, "attention", lambda q, k, v, causal: attention(q, k, v, False)
        )

        result = run_check(trial, "autoregressive")

        assert not result.passed
        assert "depends on the later value" in result.detail

    def test_one_that_shows_a_patch_itself_is_found(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(causal_transformer, "moved_on", lambda patches: patches)

        assert not run_check(trial, "autoregressive").passed


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^tarflow: 3 heads .*8"):
        tarflow(heads=3)
