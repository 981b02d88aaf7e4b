"""Names are found, sorted as people count, and a wrong one is answered with what to do."""

from __future__ import annotations

import pytest

from flowzoo.component import Component
from flowzoo.errors import PluginError, UnknownNameError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin, PluginFailure


def plugin(distribution: str, *names: str, kind: str = "model") -> Plugin:
    components = tuple(Component(kind, name, "m:b", "A component.") for name in names)  # type: ignore[arg-type]
    return Plugin(distribution.removeprefix("flowzoo-"), distribution, "1.0", components, 0.1, False)


def test_names_match_shell_wildcards_in_natural_order():
    registry = Registry([plugin("flowzoo-m", "msflow-10", "msflow-2", "msflow", "pnf-1")])
    assert registry.names("model", "msflow*") == ["msflow", "msflow-2", "msflow-10"]
    assert registry.names("model", "?nf-[0-9]") == ["pnf-1"]
    assert [each.name for each in registry.components("model", "pnf*")] == ["pnf-1"]
    assert registry.names("bijector") == []


def test_the_same_name_may_stand_for_several_kinds():
    registry = Registry([plugin("flowzoo-a", "haar"), plugin("flowzoo-b", "haar", kind="transform")])
    assert registry.find("transform", "haar").kind == "transform"
    assert registry.kinds_of("haar") == ["transform", "model"]
    assert registry.kinds_of("nothing") == []
    assert registry.clashes == ()


def test_an_unknown_name_is_answered_with_the_nearest_and_what_failed():
    failure = PluginFailure("mrcnf", "flowzoo-mrcnf", "1.0", "ImportError: no scipy")
    registry = Registry([plugin("flowzoo-cnf", "realnvp", "cnf", "glow", kind="bijector")], [failure])
    with pytest.raises(UnknownNameError) as caught:
        registry.find("bijector", "cfn")
    assert str(caught.value) == (
        "no bijector 'cfn'; did you mean 'cnf'? installed: cnf, glow, realnvp. "
        "failed to load: flowzoo-mrcnf (ImportError: no scipy)"
    )


def test_an_unknown_name_that_is_near_nothing():
    with pytest.raises(UnknownNameError, match=r"^no model 'qqq'; installed: glow$"):
        Registry([plugin("flowzoo-a", "glow")]).find("model", "qqq")
    with pytest.raises(UnknownNameError, match=r"^no model 'qqq'; installed: none$"):
        Registry([]).find("model", "qqq")


def test_capitals_do_not_hide_the_nearest_name():
    with pytest.raises(UnknownNameError, match="did you mean 'mrcnf'"):
        Registry([plugin("flowzoo-a", "mrcnf")]).find("model", "MRCNF")


def test_a_name_of_another_kind_is_said_to_be_one():
    registry = Registry([plugin("flowzoo-a", "haar", kind="transform")])
    with pytest.raises(UnknownNameError, match=r"no model 'haar'; 'haar' is a transform\. installed: none"):
        registry.find("model", "haar")


def test_what_the_environment_leaves_out_is_named():
    registry = Registry([], left_out=["flowzoo-mrcnf"])
    with pytest.raises(UnknownNameError, match="left out by FLOWZOO_PLUGINS: flowzoo-mrcnf"):
        registry.find("model", "mrcnf")


def test_an_unknown_kind():
    with pytest.raises(UnknownNameError, match="no kind 'bijectors'; did you mean 'bijector'"):
        Registry([]).names("bijectors")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no kind 'qqq'; kinds: transform, bijector"):
        Registry([]).find("qqq", "x")  # type: ignore[arg-type]


def test_an_unknown_name_of_any_kind_lists_all_once():
    registry = Registry([plugin("flowzoo-a", "b", "a"), plugin("flowzoo-b", "a", kind="split")])
    assert str(registry.unknown(None, "zzz")) == "no component 'zzz'; installed: a, b"


def test_a_clash_names_both_distributions_and_spares_the_rest():
    registry = Registry([plugin("flowzoo-one", "shared", "mine"), plugin("flowzoo-two", "shared")])
    with pytest.raises(PluginError, match="model 'shared' is brought by flowzoo-one and flowzoo-two"):
        registry.find("model", "shared")
    assert registry.names("model") == ["mine"]
    assert registry.kinds_of("shared") == ["model"]


def test_distributions_are_compared_as_pip_does():
    registry = Registry([plugin("flowzoo-mrcnf", "mrcnf")])
    found = registry.installed("Flowzoo_MRCNF")
    assert found is not None
    assert found.distribution == "flowzoo-mrcnf"
    assert registry.installed("flowzoo") is None
