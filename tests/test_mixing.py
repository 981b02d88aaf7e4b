"""Every transform with every bijector and every split: each mixture works, or is refused for a listed reason.

The bijector stands in either place of a level: as the conditional, in MRCNF's recipe, and as the joint, in
RealNVP's. Here a reduced kit runs; ``make test-all`` runs all of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowzoo.component import Check, Component, Kind
from flowzoo.errors import FlowzooError
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.testing import Trial, checks_for, run_check, trial_of

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
    return [".*".join(map(re.escape, row.split("..."))) for row in rows]


MIXTURES = [
    pytest.param(place, transform, bijector, split, id=f"{place}-{transform}-{bijector}-{split}")
    for place in ("conditional", "joint")
    for transform in names("transform")
    for bijector in names("bijector")
    for split in names("split")
]


def options(place: str, transform: str, bijector: str, split: str) -> dict[str, object]:
    mixed = {"levels": 2, "transform": tiny("transform", transform), "split": tiny("split", split)}
    if place == "conditional":
        return {**mixed, "bijector": tiny("bijector", bijector)}
    return {**mixed, "joint": tiny("bijector", bijector), "last": "actnorm"}


MODEL = {"conditional": "mrcnf", "joint": "realnvp"}


def refused(place: str, transform: str, bijector: str, split: str) -> str:
    """Return why a mixture is refused when it is created, and nothing where it is not."""
    try:
        create_model(MODEL[place], SHAPE, seed=0, **options(place, transform, bijector, split))
    except FlowzooError as refusal:
        return str(refusal)
    return ""


def trial(place: str, transform: str, bijector: str, split: str) -> Trial:
    """Return the trial of a mixture, as exact as its least exact part declares."""
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
    return Trial(component, base.make)


@pytest.mark.parametrize(("place", "transform", "bijector", "split"), MIXTURES)
def test_a_mixture_works_or_is_refused_for_a_listed_reason(
    place: str, transform: str, bijector: str, split: str, request: pytest.FixtureRequest
) -> None:
    refusal = refused(place, transform, bijector, split)
    if refusal:
        assert any(re.search(each, refusal) for each in listed_reasons()), f"not in docs/mixing.md: {refusal}"
        return
    mixture = trial(place, transform, bijector, split)
    whole = request.config.getoption("--whole-kit")
    for check in checks_for("model", mixture.component.exact) if whole else REDUCED:
        result = run_check(mixture, check)
        assert result.passed, f"{check}: {result.detail}"


def test_every_listed_reason_is_met() -> None:
    met = set()
    for each in MIXTURES:
        refusal = refused(*map(str, each.values))
        met |= {reason for reason in listed_reasons() if re.search(reason, refusal)}
    assert met == set(listed_reasons())
