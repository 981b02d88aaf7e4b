"""Builders get what their kind asks for, and what they return is checked."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace

import pytest

from flowzoo.api import (
    BijectorSpec,
    Component,
    IdentityBijector,
    IdentityTransform,
    KeepNothing,
    Level,
    Network,
    NetworkSpec,
    ShapeError,
    Spec,
)
from flowzoo.data import load as load_module
from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError, PluginError, UnknownNameError
from flowzoo.registry import build as build_module
from flowzoo.registry.build import ZooBuilder, build_component
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin

CALLS: list[tuple] = []


class Net(Network):
    def forward(self, x, context=None, time=None, call=None):
        return x


def build_transform(shape, builder, *, size: int = 1):
    CALLS.append((shape, size))
    return IdentityTransform()


def build_split(shape, builder):
    return KeepNothing()


def build_network(shape, output_channels, context_shape, timed, builder, *, width: int = 8):
    CALLS.append((shape, output_channels, context_shape, timed, width))
    return Net()


def build_bijector(shape, context_shape, builder, *, network: NetworkSpec = Spec("net", width=4)):
    CALLS.append((shape, context_shape))
    builder.network(network, shape, 2 * shape[0], context_shape, timed=True)
    return IdentityBijector()


def build_model(shape, builder, *, bijector: BijectorSpec = Spec("bij")):
    conditional = builder.bijector(bijector, shape)
    transform = builder.transform(Spec("tra", size=5), shape)
    return [Level(transform, IdentityBijector(), builder.split(Spec("spl"), shape), conditional)]


def build_metric(*, bins: int = 2):
    return ("metric", bins)


def build_rubbish(shape, builder):
    return "rubbish"


def build_rubbish_list(shape, builder):
    return ["rubbish"]


def build_failing(shape, builder):
    raise KeyError("lost")


def build_refusing(shape, builder):
    raise ShapeError("too small")


def build_exiting(shape, builder):
    sys.exit(3)


def build_verbose(shape, builder):
    raise RuntimeError("first\nsecond")


def build_endless(shape, context_shape, builder, *, inner: BijectorSpec = Spec("endless")):
    return IdentityBijector()


def build_no_dataset():
    return []


def component(kind: str, name: str, build: str) -> Component:
    return Component(kind, name, f"{__name__}:{build}", "A component.")  # type: ignore[arg-type]


COMPONENTS = (
    component("transform", "tra", "build_transform"),
    component("split", "spl", "build_split"),
    component("network", "net", "build_network"),
    component("bijector", "bij", "build_bijector"),
    component("model", "mod", "build_model"),
    component("metric", "met", "build_metric"),
    component("transform", "rubbish", "build_rubbish"),
    component("model", "rubbish", "build_rubbish"),
    component("model", "rubbish-list", "build_rubbish_list"),
    component("split", "failing", "build_failing"),
    component("split", "refusing", "build_refusing"),
    component("split", "exiting", "build_exiting"),
    component("split", "verbose", "build_verbose"),
    component("bijector", "endless", "build_endless"),
    component("dataset", "none", "build_no_dataset"),
    Component("dequantisation", "uniform", "flowzoo.builtin.uniform:build_uniform", "A component."),
)
SHAPE = (3, 4, 4)


@pytest.fixture
def zoo(monkeypatch):
    registry = Registry([Plugin("toy", "flowzoo-toy", "1.2", COMPONENTS, 0.0, False)])
    monkeypatch.setattr(build_module, "default_registry", lambda: registry)
    monkeypatch.setattr(load_module, "default_registry", lambda: registry)
    CALLS.clear()
    return registry


def test_a_model_is_built_through_all_kinds(zoo):
    builder = ZooBuilder(zoo)
    (level,) = builder.levels(Spec("mod"), SHAPE)
    assert isinstance(level, Level)
    assert CALLS == [(SHAPE, None), (SHAPE, 6, None, True, 4), (SHAPE, 5)]
    assert set(builder.used) == {"model:mod", "bijector:bij", "network:net", "transform:tra", "split:spl"}


def test_components_are_built_alone(zoo):
    assert isinstance(build_component("bijector", "bij", SHAPE, (1, 2, 2), network="net"), IdentityBijector)
    assert CALLS == [(SHAPE, (1, 2, 2)), (SHAPE, 6, (1, 2, 2), True, 4)]
    assert isinstance(build_component("network", "net", SHAPE, 6, None, False), Net)
    assert build_component("metric", "met", bins=3) == ("metric", 3)


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "transform",
            "rubbish",
            "transform 'rubbish' of flowzoo-toy 1.2 built a str, expected a ResolutionTransform",
        ),
        ("model", "rubbish", "built a str, expected a list of Level"),
        ("model", "rubbish-list", "built a str, expected a list of Level"),
        ("split", "failing", "split 'failing' of flowzoo-toy 1.2 could not be built: KeyError: 'lost'"),
        ("split", "exiting", "split 'exiting' of flowzoo-toy 1.2 could not be built: SystemExit: 3$"),
        ("split", "verbose", "could not be built: RuntimeError: first second$"),
    ],
)
def test_a_builder_that_fails_is_the_plugins_fault(zoo, kind, name, message):
    with pytest.raises(PluginError, match=message):
        build_component(kind, name, SHAPE)


@pytest.mark.parametrize("options", [{}, {"inner": "endless"}, {"inner": {}}])
def test_a_default_that_refers_to_itself_without_end_is_the_plugins_fault(zoo, options):
    with pytest.raises(PluginError, match="default options of bijector 'endless'"):
        build_component("bijector", "endless", SHAPE, None, **options)


def test_a_data_set_of_another_type_is_the_plugins_fault(zoo):
    with pytest.raises(PluginError, match="data set 'none' built a list, expected a Dataset"):
        load_dataset("none")


@pytest.mark.parametrize("name", ["kind", "name"])
def test_an_option_may_be_called_like_an_argument(zoo, name):
    with pytest.raises(OptionError, match=f"metric 'met' has no option '{name}'"):
        build_component("metric", "met", **{name: 3})
    with pytest.raises(OptionError, match=f"dataset 'none' has no option '{name}'"):
        load_dataset("none", **{name: 3})


def test_an_import_that_exits_is_the_plugins_fault(zoo, monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda _: sys.exit("no licence"))
    with pytest.raises(PluginError, match=r"cannot be imported from .*: SystemExit: no licence$"):
        build_component("metric", "met")


def test_errors_for_the_user_go_through(zoo):
    with pytest.raises(ShapeError, match="too small"):
        build_component("split", "refusing", SHAPE)
    with pytest.raises(OptionError, match="option 'size' is 'x'"):
        build_component("transform", "tra", SHAPE, size="x")
    with pytest.raises(UnknownNameError, match="did you mean 'spl'"):
        build_component("split", "spll", SHAPE)


def test_revisions_are_those_of_the_registry(zoo):
    newer = tuple(replace(each, revision=3) for each in COMPONENTS)
    builder = ZooBuilder(Registry([Plugin("toy", "flowzoo-toy", "2.0", newer, 0.0, False)]))
    builder.transform(Spec("tra"), SHAPE)
    assert builder.used["transform:tra"].revision == 3
