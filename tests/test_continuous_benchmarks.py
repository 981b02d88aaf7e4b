"""The baseline that continuous flows are timed against, and the scripts that time."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from flowzoo.call import Call
from flowzoo.registry.build import build_component
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

FOLDER = Path(__file__).parents[1] / "benchmarks" / "continuous"
SHAPE, CONTEXT_SHAPE = (2, 4, 4), (1, 4, 4)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the folder's modules be imported by their names."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def recipes(scripts: None) -> ModuleType:
    return importlib.import_module("recipe")


@pytest.fixture
def cnf() -> nn.Module:
    """A flow whose last layers are not zero, as if it were trained."""
    built: nn.Module = build_component(
        "bijector",
        "cnf",
        SHAPE,
        CONTEXT_SHAPE,
        blocks=2,
        network={"name": "conv-field", "hidden": 5},
        tolerance=1e-6,
        kinetic=0.01,
        jacobian=0.01,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
    return built


def batch(images: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(images, *SHAPE, generator=generator)
    return x, torch.randn(images, *CONTEXT_SHAPE, generator=generator)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def test_the_recipe_s_fields_are_those_of_flowzoo(recipes: ModuleType, cnf: nn.Module) -> None:
    x, context = batch()
    time = torch.tensor(0.3)
    for block, field in zip(cnf.blocks, recipes.Recipe(cnf.blocks).fields, strict=True):
        assert field.convs[1].in_channels == 6
        torch.testing.assert_close(field(time, x, context), block(x, context, time), atol=1e-5, rtol=1e-5)


def test_weights_go_there_and_back(recipes: ModuleType, cnf: nn.Module) -> None:
    before = {name: value.clone() for name, value in cnf.state_dict().items()}
    recipe = recipes.Recipe(cnf.blocks)
    with torch.no_grad():
        for parameter in cnf.parameters():
            parameter.zero_()
    recipe.give_weights(cnf.blocks)
    torch.testing.assert_close(dict(cnf.state_dict()), before, atol=0, rtol=0)


class TwiceTheTime(nn.Module):
    def forward(self, t: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (2 * t * torch.ones_like(state[0]),)


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0)])
def test_solves_are_right_at_the_end_point(recipes: ModuleType, start: float, end: float) -> None:
    begin = torch.full((1,), start**2)
    (found,) = recipes.solve(TwiceTheTime(), (begin,), start, end, "bosh3", 1e-5)
    assert float(found) == pytest.approx(end**2, abs=1e-6)


def test_the_adjoint_s_gradient_is_that_of_a_tight_solve(recipes: ModuleType, cnf: nn.Module) -> None:
    x, context = batch()

    def gradient(recipe: nn.Module, x: Tensor, context: Tensor) -> Tensor:
        recipe.loss(x, context, seeded()).mean().backward()
        found: Tensor = recipes.flat_gradient(recipe)
        return found

    rough = gradient(recipes.Recipe(cnf.blocks), x, context).double()
    tight = gradient(recipes.judge(cnf.blocks), x.double(), context.double())
    distance = float((rough - tight).norm() / tight.norm())
    assert 1e-9 < distance < 1e-2


@pytest.mark.parametrize("product", ["e^T J", "J e"])
def test_the_judge_s_gradient_is_the_derivative_of_its_loss(
    recipes: ModuleType, cnf: nn.Module, product: str
) -> None:
    x, context = (each.double() for each in batch())
    judge = recipes.judge(cnf.blocks, product)
    weight = judge.fields[0].convs[1].weight

    def loss() -> Tensor:
        found: Tensor = judge.loss(x, context, seeded()).mean()
        return found

    loss().backward()
    direction = torch.randn(weight.shape, dtype=weight.dtype, generator=seeded())
    slope = float((weight.grad * direction).sum())
    step = 1e-4
    with torch.no_grad():
        weight += step * direction
        above = float(loss())
        weight -= 2 * step * direction
        below = float(loss())
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-4)


def test_flowzoo_and_the_judge_agree_on_a_training_step(recipes: ModuleType, cnf: nn.Module) -> None:
    """With the same probes, and the regularisers in the same units."""
    x, context = batch()
    truth = recipes.judge(cnf.blocks, "J e").terms(
        x.double(), context.double(), recipes.draw_probes(x.double(), 2, seeded())
    )
    call, ledger = Call(
        mode="train", generator=seeded(), solver=Solving(warm_start=WarmStart(cnf))
    ).collecting()
    log_prob = -cnf.loss(x, context, call)
    for found, expected in (
        (log_prob, truth.log_prob),
        (ledger.penalties["kinetic"], truth.kinetic),
        (ledger.penalties["jacobian"], truth.jacobian),
    ):
        torch.testing.assert_close(found.double(), expected, atol=0, rtol=1e-3)


def test_samples_undo_latents(recipes: ModuleType, cnf: nn.Module) -> None:
    x, context = batch()
    recipe = recipes.Recipe(cnf.blocks)
    z, log_prob = recipe.latents(x, context, recipes.draw_probes(x, 2, seeded()))
    assert recipe.evaluations.forward > 0
    assert recipe.evaluations.backward == 0
    torch.testing.assert_close(recipe.sample(z, context), x, atol=1e-3, rtol=0)
    again = recipe.log_prob(x, context, recipes.draw_probes(x, 2, seeded()))
    torch.testing.assert_close(again, log_prob)


@pytest.mark.parametrize("held_out", [False, True])
def test_details_are_standardised_and_repeatable(scripts: None, held_out: bool) -> None:
    details = importlib.import_module("details")
    x, context = details.Details(held_out, 0, torch.device("cpu")).batch(64)
    assert x.shape == (64, 9, 16, 16)
    assert context.shape == (64, 3, 16, 16)
    torch.testing.assert_close(details.Details(held_out, 0, torch.device("cpu")).batch(64)[0], x)
    other = 1.0 if held_out else 0.2
    assert x.std() == pytest.approx(1.0, abs=other)


def test_a_convolution_s_operations_are_counted_forward_and_backward(scripts: None) -> None:
    rate = importlib.import_module("convolution_rate")
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    conv = nn.Conv2d(3, 5, 3, padding=1)
    once = 2 * 2 * 64 * 3 * 5 * 9
    assert rate.convolution_operations(lambda: conv(x)) == once
    assert rate.convolution_operations(lambda: conv(x).sum().backward()) == 3 * once


needs_proc = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peak memory cannot be reset here"
)


@needs_proc
def test_memory_that_was_given_back_is_seen(scripts: None) -> None:
    script = importlib.import_module("memory_of_steps")
    device = torch.device("cpu")
    before = script.held(device)
    torch.ones(2**24)
    assert script.most_held(device) - before == pytest.approx(2**26, rel=0.1)
    assert script.held(device) - before < 2**24


@needs_proc
def test_a_step_s_memory_is_measured(scripts: None) -> None:
    setting = importlib.import_module("setting")
    tiny = setting.Setting(4, 4, "likelihood", 0, Path(), {}, torch.device("cpu"))
    found = importlib.import_module("memory_of_steps").measure(tiny, steps=2, checkpointing=True)
    assert found["MiB"] >= 0
    assert found["s"] > 0


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("training_step", "faster"),
        ("evaluation_and_sampling", "sample"),
        ("convolution_rate", "step"),
    ],
)
def test_the_scripts_run(scripts: None, tmp_path: Path, name: str, figure: str) -> None:
    out = tmp_path / "out.json"
    importlib.import_module(name).main(
        ["--quick", "--threads", "1", "--weights", str(tmp_path), "--out", str(out)]
    )
    assert json.loads(out.read_text(encoding="utf-8"))[figure]
