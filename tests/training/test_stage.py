"""Stages: separate levels add up to the whole, and only levels that are independent are trained apart."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import Call
from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.training.stage import plan_stages

SEPARATELY = TrainingOptions(order="separately")


def tiny() -> Flow:
    network = {"name": "conv-field", "hidden": 4, "layers": 2}
    options = {"blocks": 1, "network": network, "objective": "likelihood", "solver": "rk4", "steps": 2}
    flow = flowzoo.create_model(
        "mrcnf", (1, 8, 8), levels=3, bins=17, seed=0, bijector=options, precondition=None
    )
    flow.initialise([images() / 17])
    return flow


def images() -> torch.Tensor:
    return torch.randint(17, (16, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def test_levels_train_coarsest_first_and_share_no_parameters() -> None:
    flow = tiny()
    stages = plan_stages(flow, SEPARATELY)
    assert [stage.levels for stage in stages] == [(2,), (1,), (0,)]
    owned = [id(parameter) for stage in stages for parameter in stage.parameters(flow)]
    assert sorted(owned) == sorted(id(parameter) for parameter in flow.parameters())


def test_the_losses_of_separate_levels_add_up_to_that_of_all() -> None:
    flow = tiny()
    call = Call(mode="train")
    (together,) = plan_stages(flow, TrainingOptions())
    apart = sum(stage.loss(flow, images(), call) for stage in plan_stages(flow, SEPARATELY))
    assert isinstance(apart, torch.Tensor)
    torch.testing.assert_close(apart, together.loss(flow, images(), call))


def test_levels_that_depend_on_each_other_are_not_trained_apart() -> None:
    joint = ActNorm(1, trainable=True)
    level = Level(IdentityTransform(), joint, KeepNothing(), IdentityBijector())
    with pytest.raises(OptionError, match="order=jointly"):
        plan_stages(Flow((1, 4, 4), [level], Affine()), SEPARATELY)
