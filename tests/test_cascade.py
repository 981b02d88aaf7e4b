"""The recipe that all families share: its levels' shapes, whose turn it is, and how they are normalised."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.identity import IdentityBijector
from flowzoo.builtin.stack import Stack
from flowzoo.builtin.standardise import Standardise
from flowzoo.builtin.whiten import Whiten
from flowzoo.cascade import BlockWhitening, CascadeOptions, Normalise, cascade_model
from flowzoo.component import Spec
from flowzoo.errors import OptionError
from flowzoo.phases import common_phases
from flowzoo.registry.build import ZooBuilder
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import create_model
from flowzoo.shapes import Shape

SHAPE = (4, 8, 8)


def transforms_and_kept(transform: Spec | list[Spec], levels: int) -> list[tuple[str, Shape | None]]:
    built = cascade_model(
        SHAPE,
        ZooBuilder(default_registry()),
        options=CascadeOptions(levels=levels, transform=transform, split=Spec("halves")),
    )
    rows: list[tuple[str, Shape | None]] = []
    shape: Shape | None = SHAPE
    for level in built:
        assert shape is not None
        shape, _ = level.shapes(shape)
        rows.append((type(level.transform).__name__, shape))
    return rows


def test_one_transform_serves_all_levels_but_the_coarsest() -> None:
    assert transforms_and_kept(Spec("squeeze"), 3) == [
        ("Squeeze", (8, 4, 4)),
        ("Squeeze", (16, 2, 2)),
        ("IdentityTransform", None),
    ]


def test_several_transforms_take_turns_from_the_finest_level_on() -> None:
    assert transforms_and_kept([Spec("squeeze"), Spec("identity"), Spec("haar")], 5) == [
        ("Squeeze", (8, 4, 4)),
        ("IdentityTransform", (4, 4, 4)),
        ("BlockMean", (8, 2, 2)),
        ("Squeeze", (16, 1, 1)),
        ("IdentityTransform", None),
    ]


def test_no_transform_at_all_is_a_mistake_of_the_plugin() -> None:
    with pytest.raises(AssertionError, match="have the identity"):
        transforms_and_kept([], 2)


@pytest.mark.parametrize(("normalise", "first"), [("standardise", Standardise), ("whiten", Whiten)])
def test_every_level_is_normalised_as_asked_where_it_meets_the_data(
    normalise: Normalise, first: type[ConditionalBijector]
) -> None:
    builder = ZooBuilder(default_registry())
    whole = CascadeOptions(levels=2, split=Spec("halves"), normalise=normalise, last=Spec("actnorm"))

    details = cascade_model(SHAPE, builder, options=replace(whole, bijector=Spec("actnorm")))
    layers = cascade_model(SHAPE, builder, options=replace(whole, joint=Spec("actnorm")))

    assert [type(level.conditional) for level in details] == [first, first]
    assert [type(level.joint) for level in layers] == [first, IdentityBijector]
    assert isinstance(layers[1].conditional, first)


def test_blocks_are_whitened_at_the_finest_level_only() -> None:
    builder = ZooBuilder(default_registry())
    options = CascadeOptions(levels=2, split=Spec("halves"), normalise=BlockWhitening(side=2))

    details = cascade_model(SHAPE, builder, options=replace(options, bijector=Spec("actnorm")))
    layers = cascade_model(SHAPE, builder, options=replace(options, joint=Spec("actnorm")))

    assert [type(level.conditional) for level in details] == [Whiten, Standardise]
    assert isinstance(layers[0].joint, Whiten)
    assert layers[0].joint.block == (2, 2)
    assert isinstance(layers[1].conditional, Standardise)


@pytest.mark.parametrize("model", ["glow", "realnvp", "lcma"])
def test_a_joint_family_starts_near_the_gaussian_of_the_data_s_blocks(model: str) -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.rand(400, 3, 4, 4, generator=generator), scale_factor=2, mode="bilinear")
    x = (0.8 * smooth + 0.2 * torch.rand(400, 3, 8, 8, generator=generator)).clamp(max=0.999)

    def start(normalise: str) -> float:
        options = {"split": "channel"} if model == "lcma" else {}  # the pixels' scores come from a training
        flow = create_model(model, (3, 8, 8), seed=0, levels=2, normalise=normalise, **options)
        flow.initialise([x])
        return float(flow.log_prob(x).mean().detach())

    gaussian = create_model("gaussian", (3, 8, 8))
    gaussian.initialise([x])
    assert start("whiten-blocks") > start("standardise") + 50.0
    assert start("whiten-blocks") == pytest.approx(float(gaussian.log_prob(x).mean()), abs=20.0)


@pytest.mark.parametrize("model", ["mrcnf", "msflow-image"])
def test_whitened_levels_start_nearer_to_data_whose_channels_are_alike(model: str) -> None:
    generator = torch.Generator().manual_seed(0)
    gray = torch.rand(200, 1, 2, 2, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    x = (0.8 * gray + 0.2 * torch.rand(200, 3, 8, 8, generator=generator)).clamp(max=0.999)

    def nats(normalise: str) -> float:
        flow = create_model(model, (3, 8, 8), seed=0, levels=2, normalise=normalise, bijector="actnorm")
        flow.initialise([x])
        return float(flow.log_prob(x).mean().detach())

    assert nats("whiten") > nats("standardise") + 20.0


@pytest.mark.parametrize(
    ("given", "resolved", "kernel"),
    [
        ({"normalise": {"kernel": 1}}, {"name": "whiten", "kernel": 1, "whole": 0, "images": 4096}, 1),
        ({"normalise.kernel": 1}, {"name": "whiten", "kernel": 1, "whole": 0, "images": 4096}, 1),
        ({"normalise": {"name": "whiten"}}, {"name": "whiten", "kernel": 3, "whole": 0, "images": 4096}, 3),
        ({"normalise": "whiten"}, {"name": "whiten", "kernel": 3, "whole": 0, "images": 4096}, 3),
    ],
)
def test_the_whitening_of_a_level_has_options(given: dict[str, Any], resolved: Any, kernel: int) -> None:
    flow = create_model("mrcnf", (1, 40, 40), seed=0, levels=2, bijector="actnorm", **given)
    assert flow.recipe is not None
    assert flow.recipe.options["normalise"] == resolved
    again = create_model("mrcnf", (1, 40, 40), seed=0, **flow.recipe.options)
    for each in (flow, again):
        whitened = each.level(0).conditional
        assert isinstance(whitened, Whiten)
        assert whitened.slope.shape[2:] == (kernel, kernel)


@pytest.mark.parametrize("wrong", [{"kernel": 2}, {"kernels": 3}, {"name": "standardise", "kernel": 3}, "x"])
def test_other_options_of_a_level_s_normalisation_are_refused(wrong: Any) -> None:
    allowed = r"normalise.*'whiten-blocks' \| {name: 'whiten', kernel, whole, images}"
    with pytest.raises(OptionError, match=allowed):
        create_model("mrcnf", (1, 8, 8), normalise=wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kernel": 4}, "; normalise.kernel: 1 | 3 | 5 | 7"),
        ({"images": 0}, "; normalise.images: int >= 1"),
        ({"name": "whiten", "images": 0}, "; normalise.images: int >= 1"),
        ({"name": "whiten-blocks", "side": 0}, "; normalise.side: int >= 1"),
        ({"kernels": 3}, "side, images}"),
        ({"name": "whitenn", "kernel": 3}, "side, images}"),
    ],
)
def test_a_wrong_option_of_a_level_s_normalisation_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(OptionError, match=rf"{re.escape(said)}$"):
        create_model("mrcnf", (1, 8, 8), normalise=wrong)


@pytest.mark.parametrize("bijector", ["gaussian", "conditional-affine"])
def test_a_preconditioner_has_the_whole_budget_beside_what_has_nothing_to_train(bijector: str) -> None:
    options = {"precondition": "conditional-affine", "bijector": bijector, "precondition_share": 0.25}
    flow = create_model("mrcnf", (3, 8, 8), levels=2, **options)
    shares = [phase.share for phase in common_phases(flow.levels)]
    assert shares == ([1.0] if bijector == "gaussian" else [0.25, 0.75])


def test_a_preconditioner_trains_first_in_its_share_of_the_budget() -> None:
    options = {"levels": 2, "precondition": "conditional-affine", "precondition_share": 0.25}
    flow = create_model("wavelet-flow", (3, 8, 8), bijector={"steps": 1}, **options)
    assert [(phase.name, phase.share) for phase in common_phases(flow.levels)] == [
        ("part 1", 0.25),
        ("part 2", 0.75),
    ]
    for level in flow.levels:
        assert isinstance(level.conditional, Whiten)
        assert isinstance(level.conditional.inner, Stack)


def test_a_preconditioner_beside_a_joint_that_trains_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match="precondition"):
        create_model("realnvp", (1, 8, 8), precondition="conditional-affine")


def test_levels_without_anything_to_train_go_with_preconditioned_ones() -> None:
    flow = create_model("wavelet-flow", (3, 8, 8), last="gaussian", precondition="conditional-affine")
    assert [phase.name for phase in common_phases(flow.levels)] == ["part 1", "part 2"]
