"""What is timed: every registered component with its defaults, at one size, ready to compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import Call
from flowzoo.component import Component, Kind
from flowzoo.flow import Flow
from flowzoo.registry.build import build_component
from flowzoo.registry.describe import describe
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.solving import Solving
from flowzoo.transform import ResolutionTransform
from flowzoo.warm_start import WarmStart

SHAPE = (3, 32, 32)
IMAGES = 16
FIRST_BATCH = 64
NOISE = 0.02
"""Spread of the noise on parameters that start at zero."""


def names(kind: Kind) -> list[str]:
    """Return every registered name of a kind, a third party's plugins included."""
    return default_registry().names(kind)


def images(seed: int = 0, device: torch.device | None = None, count: int = IMAGES) -> Tensor:
    """Return ``(B, C, H, W)`` with values in ``[0.05, 0.95)``."""
    generator = torch.Generator().manual_seed(seed)
    return (0.05 + 0.9 * torch.rand((count, *SHAPE), generator=generator)).to(device)


def transform(name: str, device: torch.device) -> ResolutionTransform:
    """Build a resolution transform that has seen data."""
    built: ResolutionTransform = _build("transform", name, SHAPE)
    built.to(device)
    _wake(built)
    with torch.no_grad():
        built(_first_batch(device), Call(mode="initialise"))
    return built


def bijector(name: str, device: torch.device) -> tuple[ConditionalBijector, Tensor | None]:
    """Build a bijector that has seen data, and return it with its context, the size of the image, or None."""
    takes_context = default_registry().find("bijector", name).checks[0].context_shape is not None
    built: ConditionalBijector = _build("bijector", name, SHAPE, SHAPE if takes_context else None)
    built.to(device)
    _wake(built)
    with torch.no_grad():
        first = _first_batch(device)
        built(first, first if takes_context else None, Call(mode="initialise"))
    return built, images(1, device) if takes_context else None


def model(name: str, device: torch.device) -> Flow:
    """Create a model that has seen data."""
    flow = create_model(name, SHAPE, seed=0, **_required(default_registry().find("model", name))).to(device)
    _wake(flow)
    # Which pixels are factored out makes no difference to the time, so the scores may be random.
    generator = torch.Generator().manual_seed(0)
    fit_splits(flow, [torch.rand(flow.dimensions, generator=generator) for _ in range(scored_levels(flow))])
    flow.initialise([_first_batch(device)])
    return flow


def evaluation(module: nn.Module) -> Call:
    """Return a run of evaluation, in which components know from batch to batch what their solvers need."""
    return Call(solver=Solving(warm_start=WarmStart(module)))


def _build(kind: Kind, name: str, *args: Any) -> Any:
    component = default_registry().find(kind, name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return build_component(kind, name, *args, **_required(component))


def _required(component: Component) -> dict[str, Any]:
    """Return the options that have no default, as the component's own check sets them."""
    required = [each.name for each in describe(default_registry(), component) if each.required]
    return {name: value for name, value in component.checks[0].options.items() if name in required}


def _first_batch(device: torch.device) -> Tensor:
    return images(2, device, FIRST_BATCH)


@torch.no_grad()
def _wake(module: nn.Module) -> None:
    """Add noise to parameters that start at zero: a solver has nothing to do where its field is zero."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if not bool(parameter.any()):
            parameter.add_((NOISE * torch.randn(parameter.shape, generator=generator)).to(parameter))
