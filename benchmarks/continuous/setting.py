"""What the scripts of this folder measure: two RNODE blocks on details, and the weights that they have.

Two blocks of four 3x3 convolutions with 64 channels, 16x16x9 details given a 16x16x3 image, batches of 32.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from details import SOURCE, Details
from recipe import Recipe
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import Call
from flowzoo.device import prepare_device
from flowzoo.registry.build import build_component
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

SHAPE = (9, 16, 16)
CONTEXT_SHAPE = (3, 16, 16)
DIMENSIONS = 9 * 16 * 16
BLOCKS = 2
RNODE = {"kinetic": 0.01, "jacobian": 0.01}
MATCHING = {"objective": "flow-matching"}
CLIP = 100.0
WARM_UP = 100


@dataclass(frozen=True)
class Setting:
    """The size of what is measured, how its weights were trained, and where it runs."""

    hidden: int
    batch: int
    trained_by: str
    steps: int
    weights: Path
    options: Mapping[str, Any]
    device: torch.device


def command_line(description: str, arguments: Sequence[str] | None, **more: int) -> argparse.Namespace:
    """Read the arguments that all scripts have, and whole numbers of a script's own.

    Args:
        description: The script's docstring.
        arguments: In place of ``sys.argv``.
        more: Defaults by name; ``--quick`` sets them to 1.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--quick", action="store_true", help="a tiny network, to see that the script works")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trained-by", choices=sorted(TRAININGS), default="likelihood")
    parser.add_argument("--steps", type=int, default=300, help="of the training before the measurement")
    parser.add_argument(
        "--weights", type=Path, default=Path("runs/continuous"), help="folder to keep them in"
    )
    parser.add_argument("--options", type=json.loads, default={}, help="of flowzoo's cnf, JSON")
    for name, default in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    found = parser.parse_args(arguments)
    if found.quick:
        vars(found).update(dict.fromkeys(more, 1), steps=2)
    return found


def prepare(arguments: argparse.Namespace) -> Setting:
    """Set threads and device, and return the setting asked for."""
    torch.set_num_threads(arguments.threads)
    device = prepare_device(arguments.device)
    hidden, batch = (4, 4) if arguments.quick else (64, 32)
    return Setting(
        hidden, batch, arguments.trained_by, arguments.steps, arguments.weights, arguments.options, device
    )


def facts(setting: Setting) -> dict[str, Any]:
    """Return what must stand beside the figures."""
    return {
        "data": SOURCE,
        "hidden": setting.hidden,
        "batch": setting.batch,
        "weights": f"{setting.steps} steps of {setting.trained_by}",
        "options": dict(setting.options),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "device": str(setting.device),
    }


def build_cnf(setting: Setting, **options: Any) -> ConditionalBijector:
    """Return flowzoo's side of a comparison: RNODE, the setting's options, and others beside them."""
    network = {"name": "conv-field", "hidden": setting.hidden}
    asked = {"blocks": BLOCKS, "network": network, **RNODE, **setting.options, **options}
    cnf: ConditionalBijector = build_component("bijector", "cnf", SHAPE, CONTEXT_SHAPE, **asked)
    return cnf.to(setting.device)


def loss_of(
    cnf: ConditionalBijector, x: Tensor, context: Tensor, generator: torch.Generator, warm_start: WarmStart
) -> tuple[Tensor, float]:
    """Return what training minimises, ``()`` in nats, and how often fields were evaluated."""
    call, ledger = Call(mode="train", generator=generator, solver=Solving(warm_start=warm_start)).collecting()
    loss = cnf.loss(x, context, call)
    for penalty in ledger.penalties.values():
        loss = loss + penalty
    return loss.mean(), ledger.counts.get("evaluations", 0.0)


def adam(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(module.parameters(), lr=1e-3)


def step(module: nn.Module, optimiser: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> float:
    """Take one training step and return its loss."""
    optimiser.zero_grad()
    value = loss()
    value.backward()
    nn.utils.clip_grad_norm_(module.parameters(), CLIP)
    optimiser.step()
    return float(value.detach())


def trained_weights(setting: Setting) -> dict[str, Tensor]:
    """Return the state of a trained CNF, from a file if it was trained before."""
    name = f"{setting.trained_by}-{setting.steps}-{setting.hidden}x{setting.batch}.safetensors"
    path = setting.weights / name
    if not path.exists():
        print(f"training {path.stem}: {setting.steps} steps", flush=True)
        torch.manual_seed(0)
        state = TRAININGS[setting.trained_by](setting)
        setting.weights.mkdir(parents=True, exist_ok=True)
        save_file(state, path)
    return load_file(path, device=str(setting.device))


def _train_by_ours(setting: Setting, **options: Any) -> dict[str, Tensor]:
    cnf = build_cnf(setting, **options)
    warm_start = WarmStart(cnf)
    _train(setting, cnf, lambda x, context, generator: loss_of(cnf, x, context, generator, warm_start)[0])
    return cnf.state_dict()


def _train_by_recipe(setting: Setting) -> dict[str, Tensor]:
    cnf = build_cnf(setting)
    recipe = Recipe(cnf.blocks)
    _train(setting, recipe, lambda *batch: recipe.loss(*batch).mean())
    recipe.give_weights(cnf.blocks)
    return cnf.state_dict()


def _train(
    setting: Setting, module: nn.Module, loss: Callable[[Tensor, Tensor, torch.Generator], Tensor]
) -> None:
    """Train with a warm-up: without one, first steps can drive softplus so far down that nothing passes."""
    optimiser = adam(module)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: min(1.0, (done + 1) / WARM_UP))
    batches = Details(held_out=False, seed=1, device=setting.device)
    generator = torch.Generator().manual_seed(1)
    for place in range(setting.steps):
        batch = batches.batch(setting.batch)
        value = step(module, optimiser, lambda batch=batch: loss(*batch, generator))
        schedule.step()
        if place % 50 == 49:
            print(f"{place + 1:6}: {value / DIMENSIONS:.4f} a dimension", flush=True)


TRAININGS: Mapping[str, Callable[[Setting], dict[str, Tensor]]] = {
    "flow-matching": lambda setting: _train_by_ours(replace(setting, options={}), **MATCHING),
    "likelihood": lambda setting: _train_by_ours(replace(setting, options={})),
    "recipe": lambda setting: _train_by_recipe(replace(setting, options={})),
}
"""Ways to train the weights, all on the same batches; ours with the defaults, whatever is measured later."""
