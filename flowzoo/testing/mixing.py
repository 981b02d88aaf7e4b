"""Mixtures: a plugin's component in models whose other parts are all those that are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowzoo.cascade import CascadeOptions
from flowzoo.component import Check, Component, Kind
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.models import assemble
from flowzoo.registry.plugin import Plugin
from flowzoo.registry.signature import options_of
from flowzoo.testing.cases import plugin_under_test
from flowzoo.testing.kit import run_check
from flowzoo.testing.result import CheckFailed, require
from flowzoo.testing.trial import Trial, trial_of, trials_of
from flowzoo.testing.variants import other_values

REDUCED = ("round-trip", "log-det")
"""The checks that are made on each mixture."""

SHAPE = (2, 4, 8)

_PLACES: Mapping[Kind, tuple[str, ...]] = {
    "transform": ("transform",),
    "split": ("split",),
    "bijector": ("bijector", "joint"),
    "dequantisation": ("dequantisation",),
}
"""The options of a cascade that take a component of a kind."""

_OTHERS: Mapping[Kind, tuple[Kind, Kind]] = {
    "transform": ("split", "bijector"),
    "split": ("transform", "bijector"),
    "bijector": ("transform", "split"),
    "dequantisation": ("transform", "split"),
}
"""The kinds whose components take turns beside it."""

_RECIPE = Component(
    kind="model",
    name="mixture",
    build=f"{CascadeOptions.__module__}:cascade_model",
    summary="A cascade of two levels, for mixtures",
    defaults={"levels": 2, "transform": "identity", "joint": "identity", "split": "keep-nothing"}
    | {"bijector": "identity", "last": "actnorm", "normalise": "standardise"},
)


@dataclass(frozen=True)
class Mixture:
    """A component in one place of a model, or of a bijector if it is a network.

    Attributes:
        trial: The component, with the options with which it is tried.
        place: The option that takes it.
        option: The option that differs from the component's own trial; empty if none does.
    """

    trial: Trial
    place: str
    option: str = ""

    def __str__(self) -> str:
        component = self.trial.component
        return "-".join(filter(None, [component.kind, component.name, self.place, self.option]))

    def check(self) -> None:
        """Build mixtures in which every other part is met, and check round trips and ``log_det`` of each.

        A mixture may be refused by a :class:`~flowzoo.errors.FlowzooError`, but not all of them.

        Raises:
            CheckFailed: A mixture is wrong, or all are refused.
        """
        refusals: list[str] = []
        worked = 0
        trials = self._in_bijectors() if self.trial.component.kind == "network" else self._in_models()
        for what, trial in trials:
            if isinstance(trial, str):
                refusals.append(f"{what}: {trial}")
                continue
            worked += 1
            for check in REDUCED:
                result = run_check(trial, check)
                if not result.passed:
                    raise CheckFailed(f"{check} {what}: {result.detail}")
        last = refusals[-1] if refusals else "none is installed, so try: pip install flowzoo-coupling"
        require(worked > 0, f"nothing takes it as its '{self.place}'. The last refusal: {last}")

    def _in_models(self) -> Iterator[tuple[str, Trial | str]]:
        """Yield cascades, or why they are refused, until every other component was in one."""
        registry = _with_recipe(default_registry())
        others = _OTHERS[self.trial.component.kind]
        names = {each: registry.names(each) for each in others}
        met: set[tuple[str, str]] = set()
        first, second = (names[each] for each in others)
        for turn in range(len(second)):
            for column, one in enumerate(first):
                another = second[(turn + column) % len(second)]
                parts = {(others[0], one), (others[1], another)}
                if parts <= met:
                    continue
                what = f"with {one} and {another}"
                options = {other: _tiny(other, name) for other, name in parts}
                made = self._cascade(registry, options)
                if not isinstance(made, str):
                    met |= parts
                yield what, made

    def _cascade(self, registry: Registry, options: dict[Any, Any]) -> Trial | str:
        own = self.trial
        asked = {**options, self.place: {"name": own.name, **own.check.options}}
        if self.place == "bijector":
            asked["last"] = None  # the coarsest level has it too, without a context

        def make(trial: Trial) -> Flow:
            return assemble(registry, _RECIPE.name, trial.check.shape, 256, "affine", 0, trial.check.options)

        parts = [own.component, *(registry.find(kind, each["name"]) for kind, each in options.items())]
        declared = [each.checks[0] for each in parts]
        check = Check(
            shape=SHAPE,
            options=asked,
            tolerance=max(each.tolerance for each in declared),
            reason="; ".join(each.reason for each in declared if each.reason),
        )
        exact = all(each.exact for each in parts)
        mixture = Trial(replace(_RECIPE, exact=exact, check=check), make)
        try:
            mixture.build()
        except FlowzooError as refusal:
            return str(refusal)
        return mixture

    def _in_bijectors(self) -> Iterator[tuple[str, Trial | str]]:
        """Yield every installed bijector that takes a network, with this one."""
        own = self.trial
        asked = {"name": own.name, **own.check.options}
        registry = default_registry()
        for bijector in registry.components("bijector"):
            for name, option in options_of(bijector).items():
                if option.schema.get("type") == "network":
                    trial = trial_of("bijector", registry.address(bijector), **{name: asked})
                    try:
                        trial.build()
                    except FlowzooError as refusal:
                        yield f"in {bijector.name}", str(refusal)
                    else:
                        yield f"in {bijector.name}", trial


def mixtures_of(distribution: str) -> list[Mixture]:
    """Return the mixtures of a plugin's components with all parts that are installed.

    Each component is tried in each place of a model that takes its kind, with the options of its trial and
    with every other value of an option that lists its values. In a plugin's tests::

        @pytest.mark.parametrize("mixture", mixtures_of("flowzoo-mine"), ids=str)
        def test_works_with_all_other_parts(mixture: Mixture) -> None:
            mixture.check()

    Args:
        distribution: The name of the plugin's distribution.

    Raises:
        PluginError: The plugin is not installed, it fails, or one of its components cannot be used.
    """
    registry = default_registry()
    found: list[Mixture] = []
    for component in plugin_under_test(distribution).components:
        if component.kind in _PLACES or component.kind == "network":
            trial = trials_of(component.kind, registry.address(component))[0]
            for place in _PLACES.get(component.kind, ("network",)):
                found.append(Mixture(trial, place))
                for name, value in other_values(trial):
                    varied = trial.with_check(options={**trial.check.options, name: value})
                    found.append(Mixture(varied, place, f"{name}={value}"))
    return found


def _tiny(kind: Kind, name: str) -> dict[str, Any]:
    """Return a component with the options of its own trial."""
    return {"name": name, **trial_of(kind, name).check.options}


def _with_recipe(registry: Registry) -> Registry:
    """Return a registry that has the cascade for mixtures besides."""
    brings = Plugin("mixture", "flowzoo-mixture", "0", (_RECIPE,), 0.0, False)
    return Registry([*registry.plugins, brings], registry.failures, registry.left_out)
