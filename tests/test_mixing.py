"""Every transform with every bijector and every split: each mixture works, or is refused for a listed reason.

The bijector stands in either place of a level: as the conditional, in MRCNF's recipe, and as the joint, in
RealNVP's. Each mixture is built. A reduced kit runs on so many that each two parts that fit together
meet in one; ``make test-all`` runs the whole kit on all of them.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowzoo.component import Check, Component, Kind
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.testing import Trial, checks_for, run_check, trial_of
from tests.conftest import InstallPlugin

REDUCED = ("round-trip", "log-det")
SHAPE = (2, 4, 4)
LISTED = Path(__file__).parents[1] / "docs" / "mixing.md"


def names(kind: Kind) -> list[str]:
    return [component.name for component in default_registry().components(kind)]


def tiny(kind: Kind, name: str) -> dict[str, object]:
    """Return a component with the options of its own trial."""
    return {"name": name, **trial_of(kind, name).check.options}


def listed_reasons() -> list[str]:
    """Return the sentences of the documented refusals, ``...`` standing for what differs."""
    rows = re.findall(r"^\| `([^`]+)` \|", LISTED.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [pattern(row) for row in rows]


def pattern(reason: str) -> str:
    """Return a documented refusal as a regular expression."""
    return ".*".join(map(re.escape, reason.split("...")))


PLACES = ("conditional", "joint")


def transforms_and_splits(turn: int) -> Iterator[tuple[str, str]]:
    """Yield every transform with every split; first those that share neither."""
    transforms, splits = names("transform"), names("split")
    for row in range(len(splits)):
        for column, transform in enumerate(transforms):
            yield transform, splits[(turn + row + column) % len(splits)]


def options(place: str, transform: str, bijector: str, split: str) -> dict[str, object]:
    mixed = {"levels": 2, "transform": tiny("transform", transform), "split": tiny("split", split)}
    if place == "conditional":
        return {**mixed, "bijector": tiny("bijector", bijector)}
    return {**mixed, "joint": tiny("bijector", bijector), "last": "actnorm"}


MODEL = {"conditional": "mrcnf", "joint": "realnvp"}


def created(place: str, transform: str, bijector: str, split: str) -> Flow | str:
    """Return a mixture, or why it is refused."""
    try:
        return create_model(MODEL[place], SHAPE, seed=0, **options(place, transform, bijector, split))
    except FlowzooError as refusal:
        return str(refusal)


def trial(place: str, transform: str, bijector: str, split: str, made: Flow | None) -> Trial:
    """Return the trial of a mixture, as exact as its least exact part declares.

    Its checks get copies of ``made``, or build the mixture anew without it.
    """
    base = trial_of("model", MODEL[place])
    parts: list[Component] = [
        default_registry().find("transform", transform),
        default_registry().find("bijector", bijector),
        default_registry().find("split", split),
    ]
    declared = [check for part in parts for check in part.checks[:1]]
    check = Check(
        shape=SHAPE,
        options=options(place, transform, bijector, split),
        tolerance=max(each.tolerance for each in declared),
        reason="; ".join(each.reason for each in declared if each.reason),
    )
    component = Component(
        kind="model",
        name=base.component.name,
        build=base.component.build,
        summary=base.component.summary,
        exact=all(part.exact for part in parts),
        check=check,
    )
    return Trial(component, base.make if made is None else lambda _: copy.deepcopy(made))


@pytest.mark.usefixtures("as_users_run_it")  # shapes are checked where each part is tested by itself
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("turn", "bijector"), [*enumerate(names("bijector"))], ids=names("bijector"))
def test_mixtures_work_or_are_refused_for_a_listed_reason(
    place: str, bijector: str, turn: int, request: pytest.FixtureRequest
) -> None:
    whole = request.config.getoption("--whole-kit")
    tried: set[tuple[str, str]] = set()
    for transform, split in transforms_and_splits(turn):
        made = created(place, transform, bijector, split)
        if isinstance(made, str):
            listed = any(re.search(each, made) for each in listed_reasons())
            assert listed, f"not in docs/mixing.md, with {transform} and {split}: {made}"
            continue
        parts = {("transform", transform), ("split", split)}
        if whole or not parts <= tried:
            tried |= parts
            mixture = trial(place, transform, bijector, split, None if whole else made)
            for check in checks_for("model", mixture.component.exact) if whole else REDUCED:
                result = run_check(mixture, check)
                assert result.passed, f"{check} with {transform} and {split}: {result.detail}"


STRANGERS = """
import torch
from torch import nn

from flowzoo.api import (
    BijectorTraits, Component, ConditionalBijector, EVALUATION, ResolutionTransform, ShapeError, Spec,
    SplitPolicy, TransformTraits, CascadeOptions, cascade_model, hookimpl,
)

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    def part(kind, name):
        return Component(kind, name, "flowzoo_strange:build_" + name.replace("-", "_"), "A stranger.")

    return [
        part("bijector", "mute"), part("bijector", "telling"), part("bijector", "alike"),
        part("bijector", "bounded"), part("bijector", "matching"),
        part("transform", "mixing"), part("transform", "moving"), part("split", "by-score"),
        part("split", "by-three"), part("split", "all-out"), part("model", "strange"),
    ]

class Scale(ConditionalBijector):
    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.zeros(()))

    def forward(self, x, context=None, call=EVALUATION):
        return x * self.s.exp(), self.s.expand(len(x)) * x[0].numel()

    def inverse(self, z, context=None, call=EVALUATION):
        return z * (-self.s).exp()

class Telling(Scale):
    traits = BijectorTraits(has_contributions=True)

    def forward_with_contributions(self, x, contributions, context=None, call=EVALUATION):
        return x * self.s.exp(), contributions + self.s

class Alike(Telling):
    traits = BijectorTraits(has_contributions=True, pointwise=True)

class Bounded(Scale):
    traits = BijectorTraits(takes_all_reals=False)

class Matching(Scale):
    traits = BijectorTraits(loss_is_likelihood=False)

class Mixing(ResolutionTransform):
    def forward(self, x, call=EVALUATION):
        return x.flip(-1), x.new_zeros(len(x))

    def inverse(self, y, call=EVALUATION):
        return y.flip(-1)

    def output_shape(self, shape):
        return shape

class Moving(Mixing):
    traits = TransformTraits(permutes=True)

class AllOut(SplitPolicy):
    def split(self, y, call=EVALUATION):
        return None, y

    def merge(self, kept, factored, call=EVALUATION):
        return factored

    def shapes(self, shape):
        return None, shape

class AllKept(SplitPolicy):
    def split(self, y, call=EVALUATION):
        return y, y[:, :0]

    def merge(self, kept, factored, call=EVALUATION):
        return kept

    def shapes(self, shape):
        return shape, (0, *shape[1:])

class ByScore(SplitPolicy):
    def split(self, y, call=EVALUATION):
        return y.chunk(2, 1)

    def merge(self, kept, factored, call=EVALUATION):
        return torch.cat([kept, factored], 1)

    def shapes(self, shape):
        half = (shape[0] // 2, *shape[1:])
        return half, half

    def unscored(self):
        return AllKept()

class Halves(ByScore):
    def unscored(self):
        return None

def build_by_three(shape, builder):
    if shape[0] % 3:
        raise ShapeError(f"cannot keep 1/3 of {shape[0]} channels; use a transform that makes more of them")
    return Halves()

build_mute = lambda shape, context_shape, builder: Scale()
build_telling = lambda shape, context_shape, builder: Telling()
build_alike = lambda shape, context_shape, builder: Alike()
build_bounded = lambda shape, context_shape, builder: Bounded()
build_matching = lambda shape, context_shape, builder: Matching()
build_mixing = lambda shape, builder: Mixing()
build_moving = lambda shape, builder: Moving()
build_by_score = lambda shape, builder: ByScore()
build_all_out = lambda shape, builder: AllOut()

def build_strange(
    shape, builder, *,
    transform: str = "moving", joint: str = "telling", split: str = "by-score", bijector: str = "mute",
):
    options = CascadeOptions(
        levels=2, transform=Spec(transform), joint=Spec(joint), split=Spec(split),
        bijector=Spec(bijector), last=Spec("actnorm"),
    )
    return cascade_model(shape, builder, options=options)
"""
NAMES = "of flowzoo-strange 1\\.0"

BY_STRANGERS = {
    "level ... keeps nothing, but ... more follow it": ({"split": "all-out"}, ""),
    "cannot keep 1/... of ... channels": ({"split": "by-three"}, ""),
    "and ... mixes pixels before it": ({"transform": "mixing"}, f"transform 'mixing' {NAMES}"),
    "and ... cannot compute them": ({"joint": "mute"}, f"bijector 'mute' {NAMES}"),
    "and no joint treats them differently": ({"joint": "alike"}, ""),
    "its bijector takes those of [0, 1) only": ({"bijector": "bounded"}, f"bijector 'bounded' {NAMES}"),
    "joint trains on the likelihood of the whole": ({"joint": "matching"}, f"bijector 'matching' {NAMES}"),
    "conditional does not train on its likelihood": (
        {"bijector": "matching"},
        f"bijector 'matching' {NAMES}",
    ),
}
"""Reasons that parts of other plugins meet by what they declare: options, and what each refusal names."""


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(("reason", "asked", "named"), [(key, *each) for key, each in BY_STRANGERS.items()])
def test_strangers_are_refused_by_what_they_declare(reason: str, asked: dict[str, str], named: str) -> None:
    with pytest.raises(FlowzooError) as caught:
        create_model("strange", (4, 4, 4), seed=0, **asked)

    assert re.search(pattern(reason), str(caught.value))
    assert re.search(named, str(caught.value))
    assert pattern(reason) in listed_reasons()


@pytest.mark.usefixtures("strangers")
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"bijector": "telling"},
        {"joint": "identity", "bijector": "matching", "split": "keep-first-channels"},
        {"transform": "mixing", "joint": "mute", "split": "keep-first-channels"},
    ],
)
def test_strangers_that_fit_are_taken(asked: dict[str, str]) -> None:
    flow = create_model("strange", (4, 4, 4), seed=0, **asked)

    assert flow.latent_shapes[-1][0] > 0


@pytest.fixture
def strangers(install_plugin: InstallPlugin) -> None:
    install_plugin("flowzoo-strange", STRANGERS)


@pytest.mark.usefixtures("as_users_run_it")
def test_every_listed_reason_is_met() -> None:
    met = {pattern(reason) for reason in BY_STRANGERS}
    listed = set(listed_reasons())
    for each in itertools.product(PLACES, names("transform"), names("bijector"), names("split")):
        if met == listed:
            break
        made = created(*each)
        met |= {reason for reason in listed if isinstance(made, str) and re.search(reason, made)}
    assert met == listed
