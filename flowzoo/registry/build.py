"""Builds components, and records which components it used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.identity import IdentityBijector
from flowzoo.builtin.labelled import Labelled, with_planes
from flowzoo.component import Component, Kind, Spec
from flowzoo.dequantisation import Dequantisation
from flowzoo.errors import FlowzooError, PartError, PluginError
from flowzoo.exactness import Exactness
from flowzoo.global_settings import torch_settings_kept
from flowzoo.level import Level
from flowzoo.network import Network
from flowzoo.origin import mark
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import check
from flowzoo.registry.plugin import one_line
from flowzoo.registry.signature import call_builder
from flowzoo.shapes import Shape
from flowzoo.split import SplitPolicy
from flowzoo.transform import ResolutionTransform


def build_component(kind: Kind, name: str, /, *args: Any, **options: Any) -> Any:
    """Build any component by name.

    Args:
        kind: One of :data:`flowzoo.component.KINDS`.
        name: The component's name.
        *args: The builder's positional arguments, without the builder object: see
            :class:`flowzoo.component.Builder`.
        **options: The component's options.

    Returns:
        What the component's builder returns; for a model its levels.

    Raises:
        UnknownNameError: There is no such component.
        OptionError: An option is unknown, of the wrong type or out of range.
        PluginError: The plugin fails, or returns something that does not fit the kind.
    """
    return ZooBuilder(default_registry()).build(kind, name, args, options)


class ZooBuilder:
    """The :class:`~flowzoo.component.Builder` that builders get.

    Args:
        registry: The registry in which components are found.
        bins: Number of integers that a value of the data can take.
        scoring: Build the model that gathers scores: splits that need scores keep everything.
        classes: Number of classes of labels. With any, all bijectors that a model asks for are given the
            label as part of their context, unless they have no parameters.
    """

    def __init__(self, registry: Registry, bins: int = 256, scoring: bool = False, classes: int = 0) -> None:
        self._registry = registry
        self.bins = bins
        self._scoring = scoring
        self._classes = classes
        self._asker: Kind | None = None
        self.used: dict[str, Component] = {}
        """Every component that was built, by ``"kind:name"``, with the names that a recipe stores."""

    def transform(self, spec: Spec, shape: Shape) -> ResolutionTransform:
        """Build a resolution transform for images of ``shape``."""
        transform: ResolutionTransform = self.build("transform", spec.name, (shape,), spec.options)
        return transform

    def split(self, spec: Spec, shape: Shape) -> SplitPolicy:
        """Build a split policy for images of ``shape``."""
        split: SplitPolicy = self.build("split", spec.name, (shape,), spec.options)
        return (self._scoring and split.unscored()) or split

    def bijector(self, spec: Spec, shape: Shape, context_shape: Shape | None = None) -> ConditionalBijector:
        """Build a bijector for images of ``shape``, given contexts of ``context_shape`` if not None.

        For an image without channels it is the identity, whatever the spec.
        """
        if shape[0] == 0:
            return IdentityBijector()
        if self._classes and self._asker == "model":
            given = with_planes(shape, context_shape, self._classes)
            labelled = self._bijector(spec, shape, given)
            # Parts that are fitted in closed form, or compute nothing, would not use the label.
            if any(True for _ in labelled.parameters()):
                return Labelled(labelled, self._classes)
        return self._bijector(spec, shape, context_shape)

    def _bijector(self, spec: Spec, shape: Shape, context_shape: Shape | None) -> ConditionalBijector:
        bijector: ConditionalBijector = self.build(
            "bijector", spec.name, (shape, context_shape), spec.options
        )
        return bijector

    def network(
        self,
        spec: Spec,
        shape: Shape,
        output_channels: int,
        context_shape: Shape | None = None,
        timed: bool = False,
    ) -> Network:
        """Build a network from images of ``shape`` to ``output_channels`` channels."""
        args = (shape, output_channels, context_shape, timed)
        network: Network = self.build("network", spec.name, args, spec.options)
        return network

    def dequantisation(self, spec: Spec, shape: Shape) -> Dequantisation:
        """Build the noise of integer images of ``shape``."""
        dequantisation: Dequantisation = self.build("dequantisation", spec.name, (shape,), spec.options)
        return dequantisation

    def levels(self, spec: Spec, image_shape: Shape) -> list[Level]:
        """Build a model's levels, finest first."""
        levels: list[Level] = self.build("model", spec.name, (image_shape,), spec.options)
        return levels

    def build(self, kind: Kind, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Build any component; arguments and errors as in :func:`build_component`."""
        component = self._registry.find(kind, name)
        values = check(self._registry, component, options)
        by_position = (*args, self) if kind in _MADE_OF else args
        with self.blaming(component), self._asked_by(component), torch_settings_kept():
            built = call_builder(component, by_position, values)
        self._check_type(component, built)
        if kind in _MADE_OF or kind == "dataset":
            mark(built, self._who(component))
        self._check_exactness(component, built)
        self.used[f"{kind}:{self._registry.address(component)}"] = component
        return built

    @contextmanager
    def _asked_by(self, component: Component) -> Iterator[None]:
        """Inside the block, a component asks for others: its author's names are meant."""
        before = self._registry, self._asker
        self._registry, self._asker = before[0].seen_from(component), component.kind
        try:
            yield
        finally:
            self._registry, self._asker = before

    @contextmanager
    def blaming(self, component: Component) -> Iterator[None]:
        """Turn exceptions, except users' errors, into a PluginError that names a component and its plugin."""
        try:
            yield
        except PartError as error:  # put together by the builder, not by a user
            raise PluginError(f"{self._who(component)} could not be built: {error}") from error
        except FlowzooError:
            raise
        except (Exception, SystemExit) as error:  # sys.exit in a plugin must not end the program
            raise PluginError(f"{self._who(component)} could not be built: {one_line(error)}") from error

    def _check_type(self, component: Component, built: Any) -> None:
        expected = _MADE_OF.get(component.kind, object)
        items = built if component.kind == "model" and isinstance(built, list) else [built]
        for item in items:
            if not isinstance(item, expected):
                wanted = "a list of Level" if component.kind == "model" else f"a {expected.__name__}"
                raise PluginError(
                    f"{self._who(component)} built a {type(item).__name__}, expected {wanted}; "
                    f"'{component.build}' must return that"
                )

    def _check_exactness(self, component: Component, built: Any) -> None:
        """Refuse a part that is declared inexact if its traits state an exact log-determinant."""
        if component.kind not in ("bijector", "transform") or component.exact:
            return
        if built.traits.exactness <= Exactness.UNBIASED:
            raise PluginError(
                f"{self._who(component)} is declared with exact=False, and its traits say that its log_det "
                f"is '{built.traits.exactness}'. Set traits.exactness to BOUND or NONE, or "
                "declare exact=True"
            )

    def _who(self, component: Component) -> str:
        plugin = self._registry.plugin_of(component)
        return f"{component.kind} '{component.name}' of {plugin.distribution} {plugin.version}"


_MADE_OF: dict[str, type] = {
    "transform": ResolutionTransform,
    "bijector": ConditionalBijector,
    "split": SplitPolicy,
    "network": Network,
    "dequantisation": Dequantisation,
    "model": Level,
}
"""The results of builders of these kinds (models: a list). These builders get the builder object, last."""
