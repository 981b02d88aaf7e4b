"""Models by name: create, list, describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, SupportsIndex

import torch

from flowzoo.component import Spec
from flowzoo.errors import OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.integers import as_integer
from flowzoo.recipe import Recipe
from flowzoo.registry.build import ZooBuilder
from flowzoo.registry.describe import OptionInfo, describe
from flowzoo.registry.every_model import UNIFORM
from flowzoo.registry.listing import list_models as list_models
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import resolve, resolve_spec
from flowzoo.seeds import check_seed
from flowzoo.shapes import Shape, as_shape


def create_model(
    name: str,
    image_shape: Iterable[SupportsIndex],
    *,
    bins: int = 256,
    pixels: str | Spec | Mapping[str, Any] = "affine",
    seed: int | None = None,
    **options: Any,
) -> Flow:
    """Create a model by name.

    Args:
        name: As in :func:`~flowzoo.registry.listing.list_models`; ``"distribution/name"`` where several
            plugins bring one.
        image_shape: ``(C, H, W)`` of the images, integers of any library.
        bins: Number of integers that a value of the data can take: 256 for bytes.
        pixels: Bijector from ``[0, 1)`` to the space of the finest level: ``"affine"``, ``"logit"``, or
            ``{"name": "logit", "alpha": 0.01}``.
        seed: Seed of the initial weights. The global random state does not change.
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


@dataclass(frozen=True)
class ModelInfo:
    """The description of a model, without building it.

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
    image_shape: Iterable[SupportsIndex],
    bins: int,
    pixels: str | Spec | Mapping[str, Any],
    seed: int | None,
    options: Mapping[str, Any],
    scoring: bool = False,
) -> Flow:
    """Create a model from the components of a registry, with options that may come from a file.

    With ``scoring``, splits that need scores keep everything: see :mod:`flowzoo.scoring`. Otherwise as
    :func:`create_model`, whose own arguments are refused among the options.
    """
    shape = _image_shape(image_shape)
    bins = _check_bins(bins)
    seed = None if seed is None else check_seed(seed)
    taken = next((each for each in options if each in _ELSEWHERE), None)
    if taken is not None:
        raise OptionError(f"'{taken}' is no option of the model; {_ELSEWHERE[taken]}")
    model = registry.find("model", name)
    address = registry.address(model)
    resolved = resolve(registry, model, options)
    try:
        pixel_spec = resolve_spec(registry, "bijector", pixels)
    except OptionError as error:
        raise OptionError(f"pixels: {error}") from error
    builder = ZooBuilder(registry, bins, scoring, resolved["classes"])
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # torch.manual_seed would seed the accelerators too, which fork_rng does not restore here.
        generator = torch.default_generator
        generator.manual_seed(seed) if seed is not None else generator.seed()
        levels = builder.levels(Spec(address, **resolved), shape)
        pixel_bijector = builder.bijector(pixel_spec, shape)
        noise = resolve_spec(registry, "dequantisation", resolved["dequantisation"])
        dequantisation = builder.dequantisation(noise, shape)
        with builder.blaming(model):
            flow = Flow(shape, levels, pixel_bijector, bins, dequantisation, resolved["class_dropout"])
    if resolved["classes"] and not flow.classes:
        raise OptionError(
            f"model '{name}' has no bijector that trains, so no label can change it. Leave classes out"
        )
    flow.layout = {name: tuple(tensor.shape) for name, tensor in flow.state_dict().items()}
    # Records from before there was another dequantisation do not name it, and their keys must stay.
    used = {key: each for key, each in builder.used.items() if key != f"dequantisation:{UNIFORM}"}
    owners = {key: registry.plugin_of(used[key]) for key in sorted(used)}
    flow.recipe = Recipe(
        model=address,
        image_shape=shape,
        bins=bins,
        pixels={"name": pixel_spec.name, **pixel_spec.options},
        options=resolved,
        plugins={owner.distribution: owner.version for owner in owners.values()},
        revisions={key: used[key].revision for key in sorted(used)},
        owners={key: owner.distribution for key, owner in owners.items()},
    )
    return flow


_ELSEWHERE = {
    "name": "give the model's name by itself",
    "image_shape": "in training it is the data set's, in Python the argument image_shape",
    "bins": "in training it is the data set's, in Python the argument bins",
    "pixels": "it is a setting, and in Python an argument, beside the options",
    "seed": "on the command line use --seed, in Python the argument seed",
}
"""Where to give settings that are not options of models."""


def _image_shape(shape: Iterable[SupportsIndex]) -> Shape:
    try:
        return as_shape(shape)
    except TypeError:
        raise ShapeError(
            f"an image shape is (channels, height, width), three positive integers; got {shape!r:.60}"
        ) from None


def _check_bins(bins: int) -> int:
    found = as_integer(bins)
    if found is None or found < 2:
        raise OptionError(f"bins is {bins!r:.60}; allowed: int >= 2")
    return found
