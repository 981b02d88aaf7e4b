"""Names are found, sorted as people count, and a wrong one is answered with what to do."""

from __future__ import annotations

import pytest

from flowzoo.component import Component
from flowzoo.errors import PluginError, UnknownNameError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin, PluginFailure


def plugin(distribution: str, *names: str, kind: str = "model", core: bool = False) -> Plugin:
    components = tuple(Component(kind, name, "m:b", "A component.") for name in names)  # type: ignore[arg-type]
    name = distribution.removeprefix("flowzoo-")
    return Plugin(name, distribution, "1.0", components, 0.1, False, core=core)


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


def test_an_unknown_name_of_any_kind_says_where_all_names_are():
    registry = Registry([plugin("flowzoo-a", "b", "a"), plugin("flowzoo-b", "a", kind="split")])
    assert str(registry.unknown(None, "zzz")) == "no component 'zzz'. flowzoo list shows all names"


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
    assert registry.find("model", "Flowzoo_MRCNF/mrcnf").name == "mrcnf"


CORE = plugin("flowzoo", "glow", "gaussian", core=True)
ONE = plugin("flowzoo-one", "shared", "mine")
TWO = plugin("flowzoo-two", "shared", "other")


def test_a_qualified_name_chooses_between_two():
    registry = Registry([CORE, ONE, TWO])
    for owner in (ONE, TWO):
        found = registry.find("model", f"{owner.distribution}/shared")
        assert found is owner.components[0]
        assert registry.plugin_of(found) is owner
        assert registry.address(found) == f"{owner.distribution}/shared"
    assert registry.kinds_of("flowzoo-one/shared") == ["model"]


def test_a_qualified_name_of_the_only_one_is_kept_bare():
    registry = Registry([CORE, ONE, TWO])
    assert registry.address(registry.find("model", "flowzoo-one/mine")) == "mine"
    assert registry.address(registry.find("model", "flowzoo/gaussian")) == "gaussian"


def test_an_ambiguous_name_is_refused_with_both_qualified_names():
    with pytest.raises(PluginError, match=r"use flowzoo-one/shared or flowzoo-two/shared, or uninstall"):
        Registry([ONE, TWO]).find("model", "shared")


@pytest.mark.parametrize("others", [[ONE], [ONE, TWO]])
def test_a_name_of_the_core_stays_the_core_s(others):
    core = plugin("flowzoo", "shared", core=True)
    for plugins in ([core, *others], [*others, core]):
        registry = Registry(plugins)
        assert registry.find("model", "shared") is core.components[0]
        assert "shared" in registry.names("model")
        assert registry.find("model", "flowzoo-one/shared") is ONE.components[0]
        assert registry.address(ONE.components[0]) == "flowzoo-one/shared"
        (clash,) = registry.clashes
        assert clash.core
        assert clash.distributions == tuple(each.distribution for each in others)
        assert "which keeps it; use flowzoo-one/shared" in str(clash)


@pytest.mark.parametrize(
    "name",
    ["flowzoo-three/shared", "flowzoo-one/other", "flowzoo-one/", "/shared", "a/b/shared", "/", "one/mine"],
)
def test_a_qualified_name_of_nothing_is_unknown(name):
    with pytest.raises(UnknownNameError, match=f"no model '{name}'"):
        Registry([ONE, TWO]).find("model", name)


def test_a_qualified_name_of_nothing_is_answered_with_the_nearest_qualified_one():
    with pytest.raises(UnknownNameError, match="did you mean 'flowzoo-two/shared'"):
        Registry([ONE, TWO]).find("model", "flowzoo-two/shard")


def test_patterns_of_qualified_names():
    registry = Registry([ONE, TWO])
    assert registry.names("model", "Flowzoo_One/*") == ["flowzoo-one/shared", "mine"]
    assert registry.names("model", "*/shared") == ["flowzoo-one/shared", "flowzoo-two/shared"]
    assert [registry.plugin_of(each) for each in registry.components("model", "*/shared")] == [ONE, TWO]


def test_two_entry_points_of_one_distribution_cannot_be_told_apart():
    registry = Registry([plugin("flowzoo-one", "shared"), plugin("Flowzoo_One", "shared"), TWO])
    for name in ("shared", "flowzoo-one/shared"):
        with pytest.raises(PluginError, match="registered more than once by flowzoo-one"):
            registry.find("model", name)
    assert registry.find("model", "flowzoo-two/shared") is TWO.components[0]


def test_an_author_means_his_own_where_a_name_is_ambiguous():
    registry = Registry([CORE, ONE, TWO, plugin("flowzoo-three", "shared", "glow")])
    seen = registry.seen_from(TWO.components[1])
    assert seen.find("model", "shared") is TWO.components[0]
    assert seen.find("model", "mine") is ONE.components[1]
    assert seen.address(TWO.components[0]) == "flowzoo-two/shared", "what is kept holds for everybody"
    third = registry.seen_from(registry.find("model", "flowzoo-three/shared"))
    assert third.find("model", "glow") is CORE.components[0], "nobody redefines the core's"


def test_a_record_means_what_it_was_made_of():
    before = Registry([CORE, ONE])
    owners = {"model:shared": "Flowzoo_One", "model:glow": "flowzoo-three"}
    assert before.bound_to(owners).find("model", "shared") is ONE.components[0]
    third = plugin("flowzoo-three", "glow")
    after = Registry([CORE, ONE, TWO, third])
    assert after.bound_to(owners).find("model", "shared") is ONE.components[0]
    assert after.bound_to(owners).find("model", "glow") is third.components[0]
    assert after.bound_to({}, ["flowzoo", "flowzoo-one"]).find("model", "shared") is ONE.components[0]
    with pytest.raises(PluginError, match="uninstall all but one"):
        after.bound_to({}, ["flowzoo-one", "flowzoo-two"]).find("model", "shared")
    with pytest.raises(UnknownNameError, match="no model 'flowzoo-one/shared'; did you mean"):
        Registry([CORE, TWO]).bound_to(owners).find("model", "shared")
