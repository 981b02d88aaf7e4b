"""A component on trial: what it declares, and how to build a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from flowzoo.component import Check, Component, Kind
from flowzoo.registry.build import build_component
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.registry.signature import import_builder


@dataclass(frozen=True)
class Trial:
    """A component, and how to build it for what one :class:`~flowzoo.component.Check` declares.

    Attributes:
        component: What the component declares; of its checks, the one that is tried.
        make: Builds it for a trial; called for every check.
        timed: Whether a network is built to be given a time.
        name: Its name, qualified by the distribution if several plugins bring one of that name.
        seed: Seed of everything that is random in the trial: weights, images, contexts and directions.
        title: What distinguishes this trial from the component's others; empty if it has only one.
    """

    component: Component
    make: Callable[[Trial], Any]
    timed: bool = False
    name: str = ""
    seed: int = 0
    title: str = ""

    @property
    def check(self) -> Check:
        """What the component declares about how it is tried."""
        return self.component.checks[0]

    def build(self, seed: int = 0) -> Any:
        """Build the component with random weights that depend on the seeds only."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.mixed(seed))
            return self.make(self)

    def mixed(self, seed: int) -> int:
        """Return a seed for this trial, from a seed for all trials."""
        return seed + 1_000_003 * self.seed

    def with_check(self, **changes: Any) -> Trial:
        """Return the same trial with another shape, context shape, options or tolerance."""
        return replace(self, component=replace(self.component, check=replace(self.check, **changes)))


def trials_of(kind: Kind, name: str, seed: int = 0, **options: Any) -> tuple[Trial, ...]:
    """Return the trials of a registered component, one for each :class:`~flowzoo.component.Check`.

    Args:
        kind: The component's kind.
        name: Its registered name.
        seed: Seed of weights and images.
        options: Options that are added to those that the component declares for its trials, or replace them.

    Raises:
        UnknownNameError: There is no such component.
    """
    registry = default_registry()
    component = registry.find(kind, name)
    several = len(component.checks) > 1
    return tuple(
        Trial(
            component=replace(component, check=replace(check, options={**check.options, **options})),
            make=_make,
            name=registry.address(component),
            seed=seed,
            title=(check.name or f"trial {place}") if several else "",
        )
        for place, check in enumerate(component.checks, 1)
    )


def trial_of(kind: Kind, name: str, **options: Any) -> Trial:
    """Return the first trial of a registered component; arguments and errors as :func:`trials_of`."""
    return trials_of(kind, name, **options)[0]


def _make(trial: Trial) -> Any:
    component, check = trial.component, trial.check
    if component.kind == "model":
        seed = torch.default_generator.initial_seed() % 2**63
        return create_model(trial.name or component.name, check.shape, seed=seed, **check.options)
    if component.kind == "command":
        return import_builder(component)
    # The number of output channels differs from the input's, so that the two cannot be confused.
    network = (check.shape, check.shape[0] + 1, check.context_shape, trial.timed)
    by_position: dict[Kind, tuple[Any, ...]] = {
        "transform": (check.shape,),
        "bijector": (check.shape, check.context_shape),
        "split": (check.shape,),
        "network": network,
        "dequantisation": (check.shape,),
    }
    arguments = by_position.get(component.kind, ())
    return build_component(component.kind, trial.name or component.name, *arguments, **check.options)
