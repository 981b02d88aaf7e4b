"""What goes wrong in a component is named by that component, and not by what is around it."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from flowzoo.bench.failure import explain
from flowzoo.builtin.identity import IdentityBijector
from flowzoo.call import Call
from flowzoo.cli.app import app
from flowzoo.data.load import load_dataset
from flowzoo.errors import ShapeError
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.origin import blamed, mark, name_of, naming_the_component, origin_of, raised_in
from flowzoo.registry.build import build_component
from flowzoo.registry.models import create_model
from flowzoo.testing import check_component, findings
from tests.conftest import InstallPlugin

PLUGIN = """
import sys

import torch

from flowzoo.api import (
    CascadeOptions, Component, ConditionalBijector, EVALUATION, Network, NetworkSpec, OptionError, Spec,
    cascade_model, hookimpl,
)

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    return [
        Component("bijector", "faulty", "flowzoo_faulty:build", "Fails as it is told."),
        Component("network", "torn", "flowzoo_faulty:build_network", "Fails."),
        Component("model", "faults", "flowzoo_faulty:build_model", "A cascade of what fails."),
    ]

class Faulty(ConditionalBijector):
    def __init__(self, fault, network):
        super().__init__()
        self.fault, self.network = fault, network
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x, context=None, call=EVALUATION):
        if self.fault == "raises" or (self.fault == "raises later" and call.mode != "initialise"):
            raise RuntimeError("torn apart")
        if self.fault == "exits":
            sys.exit(3)
        if self.fault == "refuses":
            raise OptionError("no such grid")
        if self.fault == "network":
            self.network(x)
        log_det = self.weight.log() * x[0].numel() * x.new_ones(len(x))
        if self.fault == "log_det":
            log_det = log_det.mean()
        z = self.weight * x
        return (z[:, :1, :1] if self.fault == "shape" else z), log_det

    def inverse(self, z, context=None, call=EVALUATION):
        if self.fault == "inverse":
            raise RuntimeError("torn apart")
        return z / self.weight

    def loss(self, x, context=None, call=EVALUATION):
        loss = super().loss(x, context, call)
        return loss.mean() if self.fault == "loss" else loss

class Torn(Network):
    def forward(self, x, context=None, time=None, call=None):
        raise RuntimeError("torn apart")

def build(shape, context_shape, builder, *, fault: str = "raises", net: NetworkSpec = Spec("torn")):
    return Faulty(fault, builder.network(net, shape, 1))

def build_network(shape, channels, context_shape, timed, builder):
    return Torn()

def build_model(shape, builder, *, fault: str = "raises", stacked: bool = False):
    bijector = Spec("faulty", fault=fault)
    if stacked:
        bijector = Spec("stack", parts=[{"name": "actnorm"}, {"name": "faulty", "fault": fault}])
    split = Spec("keep-first-channels")
    options = CascadeOptions(levels=2, transform=Spec("haar"), split=split, bijector=bijector)
    return cascade_model(shape, builder, options=options)
"""
BIJECTOR = "bijector 'faulty' of flowzoo-faulty 1.0"
NETWORK = "network 'torn' of flowzoo-faulty 1.0"


@pytest.fixture
def faulty(install_plugin: InstallPlugin) -> None:
    install_plugin("flowzoo-faulty", PLUGIN)


def model(fault: str, stacked: bool = False) -> Flow:
    return create_model("faults", (1, 8, 8), seed=0, fault=fault, stacked=stacked)


def images(count: int = 4) -> Tensor:
    return torch.rand((count, 1, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("faulty", "as_users_run_it")
@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize(
    ("fault", "what"), [("shape", "z of shape"), ("log_det", "log_det of shape"), ("loss", "loss of shape")]
)
def test_a_wrong_shape_names_the_part_that_returned_it(fault: str, what: str, stacked: bool) -> None:
    flow = model(fault, stacked)

    with pytest.raises(ShapeError, match=f"^{BIJECTOR} returned {what}"):
        flow.initialise([images()]) or flow.loss(images(), Call(mode="train"))


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("stacked", [False, True])
def test_an_exception_names_the_part_that_it_was_raised_in(stacked: bool) -> None:
    with pytest.raises(RuntimeError, match="torn apart") as caught:
        model("raises", stacked).initialise([images()])
    assert raised_in(caught.value).split(", inside")[0] == BIJECTOR
    assert blamed(caught.value).endswith("failed: RuntimeError: torn apart")

    flow = model("inverse", stacked)
    flow.initialise([images()])
    with pytest.raises(RuntimeError, match="torn apart") as caught:
        flow.sample(2, seed=0)
    assert raised_in(caught.value).split(", inside")[0] == BIJECTOR


@pytest.mark.usefixtures("faulty")
def test_a_part_inside_another_one_is_named_with_it() -> None:
    with pytest.raises(RuntimeError, match="torn apart") as caught:
        model("network").initialise([images()])

    assert raised_in(caught.value) == f"{NETWORK}, inside {BIJECTOR}"


@pytest.mark.usefixtures("faulty")
def test_a_part_that_refuses_is_named_beside_its_own_words() -> None:
    with pytest.raises(ValueError, match="no such grid") as caught:
        model("refuses").initialise([images()])

    assert blamed(caught.value) == f"no such grid (in {BIJECTOR})"
    assert explain("training", caught.value).reason == f"no such grid (in {BIJECTOR})"


@pytest.mark.usefixtures("faulty")
def test_python_users_find_a_note_on_the_exception() -> None:
    flow = model("raises later")
    flow.initialise([images()])

    with pytest.raises(RuntimeError, match=r"^torn apart") as caught:
        evaluate_likelihood(flow, load_dataset("digits").split("test"), limit=2)

    assert caught.value.__notes__ == [f"raised in {BIJECTOR}"]


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize(
    ("fault", "said"),
    [("raises", "failed: RuntimeError: torn apart"), ("exits", "failed: SystemExit: 3")],
)
def test_on_the_command_line_it_is_one_line(fault: str, said: str, tmp_path: object) -> None:
    asked = ["train", "faults", "--data", "digits", "--out", f"{tmp_path}/run", "--steps", "2"]
    result = CliRunner().invoke(app, [*asked, "--set", f"fault={fault}"])

    assert result.exit_code == 2
    (line,) = [each for each in result.stderr.splitlines() if each.startswith("error")]
    assert f"{BIJECTOR} {said}." in line


@pytest.mark.usefixtures("faulty")
def test_the_kit_names_it_once() -> None:
    (finding,) = findings(check_component("bijector", "faulty"))

    assert len(finding.checks) > 5
    assert finding.detail.startswith(f"RuntimeError: torn apart (in {BIJECTOR}, at ")


def test_a_data_set_that_fails_in_the_midst_is_named(install_plugin: InstallPlugin) -> None:
    install_plugin(
        "flowzoo-leaky",
        """
        from dataclasses import replace
        from flowzoo.api import Component, Dataset, ImageSource, hookimpl
        from flowzoo.data.load import load_dataset

        flowzoo_api_version = 2

        @hookimpl
        def flowzoo_components():
            return [Component("dataset", "leaky", "flowzoo_leaky:build", "Loses its files.")]

        class Leaky(ImageSource):
            def __len__(self):
                return 10

            def take(self, indices):
                raise KeyError("lost")

        def build():
            info = load_dataset("digits").info
            return Dataset(replace(info, name="leaky"), {name: Leaky() for name in info.sizes})
        """,
    )

    with pytest.raises(KeyError) as caught:
        load_dataset("leaky").split("test").take([0])
    assert blamed(caught.value) == "dataset 'leaky' of flowzoo-leaky 1.0 failed: KeyError: 'lost'"


def test_marks_go_along_with_copies_and_change_nothing() -> None:
    built = build_component("bijector", "actnorm", (2, 4, 4), None)

    assert origin_of(built).startswith("bijector 'actnorm' of flowzoo ")
    assert origin_of(copy.deepcopy(built)) == origin_of(pickle.loads(pickle.dumps(built))) == origin_of(built)
    assert name_of(IdentityBijector()) == "IdentityBijector"
    assert set(built.state_dict()) == {"mean", "log_std", "first_pass.initialised"}
    mark({}, "suite 'plain data' of x 1.0")
    mark(built, "bijector 'another' of x 1.0")
    assert "actnorm" in origin_of(built)


def test_what_is_raised_elsewhere_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError) as caught, naming_the_component():
        raise RuntimeError("elsewhere")

    assert raised_in(caught.value) == ""
    assert blamed(caught.value) == "RuntimeError: elsewhere"
    assert not hasattr(caught.value, "__notes__")
