"""Options are checked strictly, merged over families' defaults, and resolved to plain data."""

from __future__ import annotations

import copy
import enum
import json
import math
import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from annotated_types import Gt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AllowInfNan, Field

from flowzoo.component import BijectorSpec, Component, NetworkSpec, Spec
from flowzoo.errors import OptionError, PluginError, UnknownNameError
from flowzoo.registry.describe import OptionInfo, describe
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import check, resolve, resolve_spec
from flowzoo.registry.plugin import Plugin
from flowzoo.registry.signature import call_builder

Mode = Literal["mean", "max"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def build_net(
    *, width: Annotated[int, Field(ge=1, description="Channels inside")] = 8, depth: int = 2
) -> None: ...


def build_cnf(
    *, blocks: Annotated[int, Field(ge=1)] = 2, network: NetworkSpec = Spec("net"), tol: float = 1e-3
): ...


def build_glow(*, steps: int = 4): ...


def build_model(
    shape: NotThere,  # noqa: F821  # what stands before the options need not exist at run time
    builder: object,
    *,
    levels: Annotated[int, Field(ge=1, le=8, description="How many")] = 3,
    bijector: BijectorSpec = Spec("cnf", blocks=5, network=Spec("net", depth=7)),
): ...


PARTS = [Spec("cnf"), Spec("glow", steps=1)]


def build_two(*, first: BijectorSpec = "cnf", second: BijectorSpec = "cnf"): ...


def build_stack(*, parts: Annotated[list[BijectorSpec], Field(min_length=1)] = PARTS): ...


def build_maybe(*, bijector: BijectorSpec | None = None): ...


def build_plain(
    *,
    count: int = 1,
    rate: Annotated[float, Gt(0), Field(lt=2)] = 1.0,
    limit: Annotated[float, AllowInfNan(True)] = math.inf,
    flag: bool = False,
    mode: Mode = "mean",
    pair: tuple[int, float] = (1, 2.0),
    sizes: tuple[int, ...] = (8, 8),
    label: str = "x",
    either: int | Literal["auto"] = "auto",
    table: dict[str, int] | None = None,
    even: Annotated[int, Field(multiple_of=2)] = 2,
    colour: Colour = Colour.RED,
    root: Path = Path("data"),
    free: Any = None,
): ...


class BuildClass:
    def __init__(self, *, size: int = 3) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Width:
    width: Annotated[int, Field(ge=1, description="Channels inside.")] = 8


@dataclass(frozen=True, kw_only=True)
class Record(Width):
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    network: NetworkSpec = Spec("net")


def build_from_record(shape: object, *, options: Record) -> tuple[object, Record]:
    return shape, options


def build_required(*, size: int): ...


def build_listed(*, size: Literal[1, 3] = 1): ...


def build_keywords(**options: int): ...


def build_bare(*, size=3): ...


def build_seed(*, seed: int = 3): ...


def build_name(*, name: str = "x"): ...


def build_undefined(*, size: Missing = 3): ...  # noqa: F821


NOT_CALLABLE = 3


def component(kind: str, name: str, build: str) -> Component:
    return Component(kind, name, f"{__name__}:{build}", "A component.")  # type: ignore[arg-type]


NET = component("network", "net", "build_net")
CNF = component("bijector", "cnf", "build_cnf")
GLOW = component("bijector", "glow", "build_glow")
STACK = component("bijector", "stack", "build_stack")
MODEL = component("model", "casc", "build_model")
MAYBE = component("bijector", "maybe", "build_maybe")
PLAIN = component("metric", "plain", "build_plain")
UNIFORM = Component("dequantisation", "uniform", "flowzoo.builtin.uniform:build_uniform", "Uniform noise.")
ZOO = Registry(
    [Plugin("toy", "flowzoo-toy", "1.0", (NET, CNF, GLOW, STACK, MODEL, MAYBE, PLAIN, UNIFORM), 0.0, False)]
)
NET_DEFAULTS = {"name": "net", "width": 8, "depth": 2}


@pytest.mark.parametrize("build", ["Record", "build_from_record"])
def test_the_fields_of_a_dataclass_are_options(build):
    record = component("metric", "record", build)
    zoo = Registry([Plugin("toy", "flowzoo-toy", "1.0", (NET, record), 0.0, False)])

    assert resolve(zoo, record, {"width": 2}) == {"width": 2, "sizes": [1, 2], "network": NET_DEFAULTS}
    assert describe(zoo, record)[0] == OptionInfo("width", "int >= 1", 8, False, "Channels inside.")
    with pytest.raises(OptionError, match="width"):
        resolve(zoo, record, {"width": 0})
    with pytest.raises(OptionError, match="widht"):
        resolve(zoo, record, {"widht": 3})


def test_a_builder_gets_its_options_as_the_dataclass_that_it_names():
    record = component("metric", "record", "build_from_record")

    shape, options = call_builder(record, ((1, 2, 2),), {"width": 3})

    assert shape == (1, 2, 2)
    assert options == Record(width=3)


def test_a_component_has_the_options_that_its_defaults_name():
    narrow = replace(component("metric", "narrow", "build_plain"), defaults={"count": 3, "label": "y"})
    zoo = Registry([Plugin("toy", "flowzoo-toy", "1.0", (narrow, PLAIN), 0.0, False)])

    assert resolve(zoo, narrow, {}) == {"count": 3, "label": "y"}
    assert resolve(zoo, narrow, {"count": 4}) == {"count": 4, "label": "y"}
    assert resolve(zoo, PLAIN, {})["count"] == 1
    with pytest.raises(OptionError, match="rate"):
        resolve(zoo, narrow, {"rate": 0.5})


def test_a_default_that_a_component_gives_is_a_value_of_the_option():
    wrong = replace(component("metric", "wrong", "build_plain"), defaults={"count": "many"})
    with pytest.raises(OptionError, match="count"):
        resolve(Registry([Plugin("toy", "flowzoo-toy", "1.0", (wrong,), 0.0, False)]), wrong, {})


def test_a_default_for_no_option_names_the_nearest():
    wrong = replace(component("metric", "wrong", "build_plain"), defaults={"cuont": 3})
    with pytest.raises(PluginError, match=r"cuont.*count"):
        resolve(Registry([Plugin("toy", "flowzoo-toy", "1.0", (wrong,), 0.0, False)]), wrong, {})


def test_a_spec_can_be_copied_and_pickled():
    spec = Spec("cnf", blocks=5, network=Spec("net", depth=7))
    assert copy.deepcopy(spec) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_defaults_are_filled_in_all_the_way_down():
    assert resolve(ZOO, MODEL, {}) == {
        "levels": 3,
        "bijector": {
            "name": "cnf",
            "blocks": 5,
            "network": {"name": "net", "width": 8, "depth": 7},
            "tol": 1e-3,
        },
        "dequantisation": {"name": "uniform"},
        "classes": 0,
        "class_dropout": 0.1,
    }
    assert resolve(ZOO, component("bijector", "c", "BuildClass"), {}) == {"size": 3}


def bijector_of(value: Any) -> Any:
    return resolve(ZOO, MODEL, {"bijector": value})["bijector"]


FAMILY_CNF = resolve(ZOO, MODEL, {})["bijector"]
OWN_CNF = {"name": "cnf", "blocks": 2, "network": NET_DEFAULTS, "tol": 1e-3}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cnf", FAMILY_CNF),
        (Spec("cnf"), FAMILY_CNF),
        ({"name": "cnf"}, FAMILY_CNF),
        ({}, FAMILY_CNF),
        ({"blocks": 1}, {**FAMILY_CNF, "blocks": 1}),
        (Spec("cnf", blocks=1), {**FAMILY_CNF, "blocks": 1}),
        ({"network": {"width": 1}}, {**FAMILY_CNF, "network": {"name": "net", "width": 1, "depth": 7}}),
        (
            {"network": Spec("net", width=1)},
            {**FAMILY_CNF, "network": {"name": "net", "width": 1, "depth": 7}},
        ),
        ("glow", {"name": "glow", "steps": 4}),
        (Spec("glow", steps=1), {"name": "glow", "steps": 1}),
        ({"name": "stack", "parts": ["cnf"]}, {"name": "stack", "parts": [OWN_CNF]}),
    ],
)
def test_a_component_is_taken_in_every_form_and_merged_over_the_family_defaults(value, expected):
    assert bijector_of(value) == expected


def test_dotted_names_reach_nested_options():
    resolved = resolve(ZOO, MODEL, {"bijector.blocks": 1, "bijector.network.width": 3})
    assert resolved["bijector"] == {
        **FAMILY_CNF,
        "blocks": 1,
        "network": {"name": "net", "width": 3, "depth": 7},
    }
    resolved = resolve(ZOO, MODEL, {"bijector.steps": 9, "bijector": "glow"})
    assert resolved["bijector"] == {"name": "glow", "steps": 9}
    with pytest.raises(
        OptionError, match=r"'bijector\.steps' is an option of a component, but 'bijector' is 3"
    ):
        resolve(ZOO, MODEL, {"bijector.steps": 9, "bijector": 3})


def test_a_component_may_be_absent_and_may_come_in_lists():
    assert resolve(ZOO, MAYBE, {}) == {"bijector": None}
    assert resolve(ZOO, MAYBE, {"bijector": "glow"}) == {"bijector": {"name": "glow", "steps": 4}}
    assert resolve(ZOO, STACK, {}) == {"parts": [OWN_CNF, {"name": "glow", "steps": 1}]}
    with pytest.raises(OptionError, match=r"option 'parts' is \[\]; allowed: list of bijector length >= 1"):
        resolve(ZOO, STACK, {"parts": []})
    with pytest.raises(OptionError, match=r"\['steps'\] are given for a bijector"):
        resolve(ZOO, MAYBE, {"bijector": {"steps": 1}})
    with pytest.raises(UnknownNameError, match="no bijector 'glw'; did you mean 'glow'"):
        resolve(ZOO, STACK, {"parts": ["cnf", "glw"]})


@pytest.mark.parametrize("value", [3, ["cnf"], {"name": 3}])
def test_what_names_no_component_is_refused(value):
    with pytest.raises(OptionError, match=r"option 'bijector' is .*; allowed: bijector .*neither a name"):
        resolve(ZOO, MODEL, {"bijector": value})


def test_builders_get_values_of_the_annotated_types():
    values = check(ZOO, PLAIN, {"pair": [3, 4], "colour": "blue"})
    assert values["pair"] == (3, 4.0)
    assert values["colour"] is Colour.BLUE
    assert values["root"] == Path("data")
    assert values["limit"] == math.inf
    nested = check(ZOO, MODEL, {})["bijector"]
    assert isinstance(nested, Spec)
    assert {"name": nested.name, **nested.options} == FAMILY_CNF


@pytest.mark.parametrize("component", [MODEL, STACK, MAYBE, PLAIN], ids=lambda each: each.name)
def test_resolved_options_are_json_and_resolve_to_themselves(component):
    resolved = resolve(ZOO, component, {})
    stored = json.loads(json.dumps(resolved))
    assert stored == resolved
    assert resolve(ZOO, component, stored) == resolved


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(),
            "rate": st.floats(0, 2, exclude_min=True, exclude_max=True),
            "flag": st.booleans(),
            "mode": st.sampled_from(["mean", "max"]),
            "pair": st.tuples(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
            "sizes": st.lists(st.integers()),
            "label": st.text(),
            "either": st.integers() | st.just("auto"),
            "table": st.none() | st.dictionaries(st.text(), st.integers()),
        },
    )
)
def test_valid_options_are_kept_and_resolve_to_themselves(options):
    resolved = resolve(ZOO, PLAIN, options)
    for name, value in options.items():
        assert resolved[name] == (list(value) if isinstance(value, tuple) else value)
    assert resolve(ZOO, PLAIN, json.loads(json.dumps(resolved))) == resolved


def test_numbers_that_are_exactly_representable_are_taken():
    assert resolve(ZOO, PLAIN, {"rate": 1})["rate"] == 1.0
    assert resolve(ZOO, PLAIN, {"rate": np.float64(0.5)})["rate"] == 0.5
    assert resolve(ZOO, PLAIN, {"colour": Colour.BLUE, "root": Path("x")})["root"] == "x"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": "3"}, "option 'count' is '3'; allowed: int"),
        ({"count": True}, "option 'count' is True; allowed: int"),
        ({"count": 3.0}, "option 'count' is 3.0; allowed: int"),
        ({"rate": 0}, "option 'rate' is 0; allowed: float > 0 and < 2"),
        ({"rate": 2.0}, "option 'rate' is 2.0; allowed: float > 0 and < 2"),
        ({"rate": True}, "option 'rate' is True"),
        ({"rate": math.nan}, "option 'rate' is nan"),
        ({"rate": -math.inf}, "option 'rate' is -inf"),
        ({"flag": 1}, "option 'flag' is 1; allowed: True | False"),
        ({"mode": "maen"}, "option 'mode' is 'maen'; allowed: 'mean' | 'max'; did you mean 'mean'?"),
        ({"mode": 3}, "option 'mode' is 3; allowed: 'mean' | 'max'"),
        ({"pair": [1]}, "option 'pair' is [1]; allowed: [int, float]"),
        ({"sizes": [1, "2"]}, "option 'sizes' is [1, '2']; allowed: list of int"),
        ({"label": 3}, "option 'label' is 3; allowed: text"),
        ({"either": "aut"}, "allowed: int | 'auto'; did you mean 'auto'?"),
        ({"table": {"a": "b"}}, "allowed: mapping | None"),
        ({"even": 3}, "allowed: int, a multiple of 2"),
        ({"count": torch.ones(2)}, "a Tensor, which is not plain data; allowed: int"),
        ({"count": object()}, "a object, which is not plain data"),
        ({"cuont": 3}, "metric 'plain' has no option 'cuont'; did you mean 'count'? options: count, rate"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options, message):
    with pytest.raises(OptionError) as caught:
        resolve(ZOO, PLAIN, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 0}, "model 'casc': option 'levels' is 0; allowed: int >= 1 and <= 8"),
        (
            {"level": 2},
            "model 'casc' has no option 'level'; did you mean 'levels'? options: levels, bijector",
        ),
        ({"block": 2}, "model 'casc' has no option 'block'; did you mean 'bijector.blocks'?"),
        ({"widht": 2}, "model 'casc' has no option 'widht'; did you mean 'width'?"),
        ({"blocks": 0}, "bijector 'cnf': option 'blocks' is 0"),
        ({"*.qqq": 2}, "model 'casc': '*.qqq' names no option"),
        ({"qqq": 2}, "model 'casc' has no option 'qqq'; options: levels, bijector"),
        ({"blocks": 2, "levels": 0}, "model 'casc' has no option 'blocks'; options: levels, bijector"),
        ({"bijector": {"blocks": 0}}, "bijector 'cnf': option 'blocks' is 0; allowed: int >= 1"),
        ({"bijector": {"block": 1}}, "bijector 'cnf' has no option 'block'; did you mean 'blocks'?"),
        ({"bijector": {"network": {"width": 0}}}, "network 'net': option 'width' is 0; allowed: int >= 1"),
    ],
)
def test_what_does_not_fit_is_named_where_it_stands(options, message):
    with pytest.raises(OptionError) as caught:
        resolve(ZOO, MODEL, options)
    assert message in str(caught.value)


def test_text_for_an_option_that_lists_numbers_is_refused():
    with pytest.raises(OptionError, match="option 'size' is 'x'"):
        resolve(ZOO, component("metric", "listed", "build_listed"), {"size": "x"})


def test_an_unknown_option_of_a_component_without_any():
    none = component("split", "none", "build_net")
    registry = Registry([Plugin("toy", "flowzoo-toy", "1.0", (none,), 0.0, False)])
    with pytest.raises(OptionError, match="has no option 'q'; options: width, depth"):
        resolve(registry, none, {"q": 1})


def test_an_option_without_default_has_to_be_given():
    required = component("metric", "required", "build_required")
    assert resolve(ZOO, required, {"size": 3}) == {"size": 3}
    with pytest.raises(OptionError, match="metric 'required' needs the option 'size'"):
        resolve(ZOO, required, {})


def test_a_single_spec_is_resolved():
    spec = resolve_spec(ZOO, "bijector", {"name": "cnf", "blocks": 4})
    assert (spec.name, spec.options["blocks"]) == ("cnf", 4)
    with pytest.raises(OptionError, match="expected a bijector, got 3: neither a name"):
        resolve_spec(ZOO, "bijector", 3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="bijector 'cnf' has no option"):
        resolve_spec(ZOO, "bijector", {"name": "cnf", "height": 4})


def test_a_short_name_stands_for_the_one_nested_option_of_that_name():
    assert resolve(ZOO, MODEL, {"width": 4}) == resolve(ZOO, MODEL, {"bijector.network.width": 4})
    assert resolve(ZOO, MODEL, {"bijector.width": 4}) == resolve(ZOO, MODEL, {"width": 4})
    given = {"steps": 2, "bijector": "glow"}
    assert resolve(ZOO, MODEL, given)["bijector"] == {"name": "glow", "steps": 2}


def test_a_short_name_of_several_options_is_refused_and_a_star_sets_them_all():
    two = component("model", "two", "build_two")
    zoo = Registry([Plugin("toy", "flowzoo-toy", "1.0", (NET, CNF, two, UNIFORM), 0.0, False)])
    with pytest.raises(OptionError, match=r"first\.network\.width or second\.network\.width.*'\*\.width'"):
        resolve(zoo, two, {"width": 4})
    for every in ({"*.width": 4}, {"*": {"width": 4}}):
        found = resolve(zoo, two, {"first": {"blocks": 3}, **every})
        assert [found[name]["network"]["width"] for name in ("first", "second")] == [4, 4]
        assert [found[name]["blocks"] for name in ("first", "second")] == [3, resolve(zoo, CNF, {})["blocks"]]


@pytest.mark.parametrize(
    ("kind", "build", "message"),
    [
        ("model", "build_seed", "declares an option called 'seed', which flowzoo uses"),
        ("metric", "build_name", "declares an option called 'name'"),
        ("metric", "build_keywords", r"takes \*\*keywords; name every option"),
        ("metric", "build_bare", "option 'size' has no annotation"),
        ("metric", "build_undefined", "cannot be read .* name 'Missing' is not defined"),
        ("metric", "no_such_function", "cannot be imported .* has no attribute 'no_such_function'"),
        ("metric", "NOT_CALLABLE", "cannot be called"),
    ],
)
def test_a_builder_that_breaks_the_rules_is_the_plugins_fault(kind, build, message):
    with pytest.raises(PluginError, match=message):
        resolve(ZOO, component(kind, "bad", build), {})


def test_a_seed_is_reserved_for_models_only():
    assert resolve(ZOO, component("metric", "seeded", "build_seed"), {}) == {"seed": 3}


def test_a_builder_that_cannot_be_imported():
    lost = Component("metric", "lost", "no_such_package.module:build", "A metric.")
    with pytest.raises(PluginError, match="No module named 'no_such_package'"):
        resolve(ZOO, lost, {})


def test_a_description_follows_nested_components_under_dotted_names():
    rows = describe(ZOO, MODEL)
    assert rows[0] == OptionInfo("levels", "int >= 1 and <= 8", 3, False, "How many")
    assert [(row.name, row.allowed, row.default) for row in rows[1:]] == [
        ("bijector", "bijector", "cnf"),
        ("bijector.blocks", "int >= 1", 5),
        ("bijector.network", "network", "net"),
        ("bijector.network.width", "int >= 1", 8),
        ("bijector.network.depth", "int", 7),
        ("bijector.tol", "float", 1e-3),
        ("dequantisation", "dequantisation", "uniform"),
        ("classes", "int >= 0 and <= 1000", 0),
        ("class_dropout", "float >= 0 and < 1", 0.1),
    ]
    assert rows[4].description == "Channels inside"


def test_a_description_of_optional_listed_and_required_options():
    assert describe(ZOO, MAYBE) == (OptionInfo("bijector", "bijector | None", None, False, ""),)
    (parts,) = describe(ZOO, STACK)
    assert parts.allowed == "list of bijector length >= 1"
    assert [each["name"] for each in parts.default] == ["cnf", "glow"]
    (size,) = describe(ZOO, component("metric", "required", "build_required"))
    assert (size.required, size.default) == (True, None)
    allowed = {row.name: row.allowed for row in describe(ZOO, PLAIN)}
    assert allowed["root"] == "text"
    assert allowed["free"] == "anything"
    assert allowed["colour"] == "'red' | 'blue'"
    assert allowed["either"] == "int | 'auto'"
