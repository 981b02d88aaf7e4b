"""Models by name: create, list, describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from flowzoo.component import Spec
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.recipe import Recipe
from flowzoo.registry.build import ZooBuilder
from flowzoo.registry.describe import OptionInfo, describe
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import resolve, resolve_spec
from flowzoo.shapes import as_shape


def create_model(
    name: str,
    image_shape: Sequence[int],
    *,
    bins: int = 256,
    pixels: str | Spec | Mapping[str, Any] = "affine",
    seed: int | None = None,
    **options: Any,
) -> Flow:
    """Create a model by name.

    Args:
        name: As in :func:`list_models`.
        image_shape: ``(C, H, W)`` of the images.
        bins: How many integers a value of the data can take: 256 for bytes.
        pixels: Bijector from ``[0, 1)`` to the space of the finest level: ``"affine"``, ``"logit"``, or
            ``{"name": "logit", "alpha": 0.01}``.
        seed: Makes the initial weights repeatable; the global random state is not touched either way.
        **options: The model's options, as :func:`model_info` describes them. One that takes a component
            takes its name, a mapping with ``name`` and options, or a mapping with changed options only:
            ``bijector={"blocks": 2}``.

    Returns:
        The model, on the CPU; its ``recipe`` holds all that is needed to build it again.

    Raises:
        UnknownNameError: There is no such model or component.
        OptionError: An option is unknown, of the wrong type or out of range.
        ShapeError: The model cannot work on this shape.
        PluginError: The plugin that brings the model fails.

    >>> model = create_model("gaussian", image_shape=(1, 8, 8), seed=0)
    >>> model.recipe.model
    'gaussian'
    """
    return assemble(default_registry(), name, image_shape, bins, pixels, seed, options)


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the installed models that match a pattern with shell wildcards."""
    return default_registry().names("model", pattern)


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without building it.

    Attributes:
        name: Its registered name.
        summary: One line.
        reference: The paper.
        distribution: The distribution that brings it.
        version: The distribution's version.
        options: Its options; those of nested components under dotted names.
    """

    name: str
    summary: str
    reference: str
    distribution: str
    version: str
    options: tuple[OptionInfo, ...]


def model_info(name: str) -> ModelInfo:
    """Describe a model.

    Raises:
        UnknownNameError: There is no such model.
        PluginError: The plugin that brings the model fails.
    """
    registry = default_registry()
    component = registry.find("model", name)
    plugin = registry.plugin_of(component)
    return ModelInfo(
        name=name,
        summary=component.summary,
        reference=component.reference,
        distribution=plugin.distribution,
        version=plugin.version,
        options=describe(registry, component),
    )


def assemble(
    registry: Registry,
    name: str,
    image_shape: Sequence[int],
    bins: int,
    pixels: str | Spec | Mapping[str, Any],
    seed: int | None,
    options: Mapping[str, Any],
) -> Flow:
    """Create a model from the components of a registry; otherwise as :func:`create_model`."""
    shape = as_shape(image_shape)
    _check_integer("bins", bins, least=2)
    if seed is not None:
        _check_integer("seed", seed, least=0)
    resolved = resolve(registry, registry.find("model", name), options)
    pixel_spec = resolve_spec(registry, "bijector", pixels)
    builder = ZooBuilder(registry)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # torch.manual_seed would seed the accelerators too, which fork_rng leaves alone here.
        generator = torch.default_generator
        generator.manual_seed(seed) if seed is not None else generator.seed()
        flow = Flow(
            shape,
            builder.levels(Spec(name, **resolved), shape),
            builder.bijector(pixel_spec, shape),
            bins,
        )
    used = builder.used
    owners = [registry.plugin_of(component) for component in used.values()]
    flow.recipe = Recipe(
        model=name,
        image_shape=shape,
        bins=bins,
        pixels={"name": pixel_spec.name, **pixel_spec.options},
        options=resolved,
        plugins={owner.distribution: owner.version for owner in owners},
        revisions={key: used[key].revision for key in sorted(used)},
    )
    return flow


def _check_integer(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name} is {value!r}; allowed: int >= {least}")
