"""Models are created by name, with weights that a seed repeats, and remember their recipe."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from flowzoo.errors import OptionError, PluginError, ShapeError, UnknownNameError
from flowzoo.flow import Flow
from flowzoo.recipe import Recipe
from flowzoo.registry.added import without_added
from flowzoo.registry.loader import default_registry, load_registry
from flowzoo.registry.models import assemble, create_model, list_models, model_info
from flowzoo.registry.options import resolve

SHAPE = (1, 4, 4)


def scale_of(flow: Flow) -> torch.Tensor:
    return flow.level(0).conditional.log_scale.detach()


def test_the_default_options_of_registered_models_are_those_of_recorded_results():
    recorded = json.loads((Path(__file__).parent / "resolved_models.json").read_text())
    registry = load_registry()

    found = {
        name: without_added(registry, "model", name, resolve(registry, registry.find("model", name), {}))
        for name in recorded
    }

    assert found == recorded, "other defaults give other keys: results in benchmarks/ would be measured anew"


def test_a_model_works_and_remembers_its_recipe(toy):
    flow = create_model("toy", SHAPE, bins=17, pixels={"name": "affine", "scale": 2.0}, seed=0)
    x = torch.rand(5, *SHAPE)
    assert torch.allclose(
        flow.log_prob(x),
        -0.5 * ((2 * x * scale_of(flow).sum().exp()) ** 2 + math.log(2 * math.pi)).flatten(1).sum(1)
        + 16 * (math.log(2) + scale_of(flow).sum()),
        atol=1e-4,
    )
    assert flow.recipe == Recipe(
        model="toy",
        image_shape=SHAPE,
        bins=17,
        pixels={"name": "affine", "scale": 2.0, "shift": 0.0},
        options={
            "bijector": {"name": "scale", "width": 2},
            "dequantisation": {"name": "uniform"},
            "classes": 0,
            "class_dropout": 0.1,
        },
        plugins={"flowzoo-toy": "1.0", "flowzoo": flow.recipe.plugins["flowzoo"]},
        revisions={"bijector:affine": 1, "bijector:scale": 1, "model:toy": 1},
    )


def test_a_seed_repeats_the_weights_and_the_global_random_state_is_left_alone(toy):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = scale_of(create_model("toy", SHAPE, seed=1))
    again = scale_of(create_model("toy", SHAPE, seed=1))
    other = scale_of(create_model("toy", SHAPE, seed=2))
    fresh = scale_of(create_model("toy", SHAPE))
    fresher = scale_of(create_model("toy", SHAPE))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(fresh, fresher)


def test_a_model_is_created_on_the_cpu_whatever_the_default_device(toy):
    with torch.device("meta"):
        assert create_model("toy", SHAPE).device.type == "cpu"


def test_options_reach_the_nested_component(toy):
    assert len(scale_of(create_model("toy", SHAPE, bijector={"width": 7}))) == 7
    assert len(scale_of(create_model("toy", SHAPE, **{"bijector.width": 3}))) == 3


def test_the_recipe_alone_builds_the_same_model(toy):
    flow = create_model("toy", SHAPE, seed=3, bijector={"width": 5})
    recipe = flow.recipe
    assert recipe is not None
    again = create_model(
        recipe.model, recipe.image_shape, bins=recipe.bins, pixels=recipe.pixels, seed=3, **recipe.options
    )
    assert again.recipe == recipe
    assert torch.equal(scale_of(again), scale_of(flow))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "tyo"}, UnknownNameError, "no model 'tyo'; did you mean 'toy'"),
        ({"image_shape": (3, 4)}, ShapeError, "three positive integers"),
        ({"bins": 1}, OptionError, "bins is 1; allowed: int >= 2"),
        ({"bins": True}, OptionError, "bins is True; allowed: int >= 2"),
        ({"seed": -1}, OptionError, "the seed is -1; give an int from 0"),
        ({"seed": "x"}, OptionError, "the seed is 'x'"),
        ({"seed": 2**64}, OptionError, "the seed is 18446744073709551616; give an int"),
        ({"image_shape": 5}, ShapeError, "three positive integers; got 5"),
        ({"image_shape": None}, ShapeError, "three positive integers; got None"),
        ({"name": None}, UnknownNameError, "the name of a model is text, got None"),
        ({"pixels": "afine"}, UnknownNameError, "no bijector 'afine'; did you mean 'affine'"),
        ({"widht": 3}, OptionError, "widht"),
    ],
)
def test_what_cannot_be_created(toy, as_users_run_it, arguments, error, message):
    with pytest.raises(error, match=message):
        create_model(**{"name": "toy", "image_shape": SHAPE, **arguments})


@pytest.mark.parametrize("name", ["name", "image_shape", "bins", "pixels", "seed"])
def test_an_argument_of_create_model_is_refused_among_the_options(toy, name):
    with pytest.raises(OptionError, match=f"^'{name}' is no option of the model; "):
        assemble(default_registry(), "toy", SHAPE, 256, "affine", 0, {name: 3})


BROKEN = """
    from flowzoo.api import Component, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [
            Component("model", name, f"flowzoo_broken:build_{name}", "A model that is broken.")
            for name in ("none", "shape", "split")
        ]

    def level(transform=None, split=None):
        from flowzoo.api import IdentityBijector, IdentityTransform, KeepNothing, Level
        joint = None if transform is split is None else IdentityBijector()
        return Level(transform or IdentityTransform(), joint, split or KeepNothing(), IdentityBijector())

    def build_none(shape, builder):
        return [level()]

    def build_shape(shape, builder):
        from flowzoo.api import IdentityTransform
        transform = IdentityTransform()
        transform.output_shape = lambda shape: {}["lost"]
        return [level(transform=transform)]

    def build_split(shape, builder):
        from flowzoo.api import KeepNothing
        split = KeepNothing()
        split.shapes = lambda shape: None
        return [level(split=split)]
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "a level got a NoneType where it takes a ConditionalBijector"),
        ("shape", "KeyError: 'lost'"),
        ("split", "TypeError: cannot unpack non-iterable NoneType object"),
    ],
)
def test_a_model_whose_levels_fail_is_the_plugins_fault(install_plugin, as_users_run_it, name, message):
    install_plugin("flowzoo-broken", BROKEN)
    who = f"^model '{name}' of flowzoo-broken 1.0 could not be built: "
    with pytest.raises(PluginError, match=f"{who}{message}$"):
        create_model(name, SHAPE)


def test_models_are_listed_and_described(toy):
    assert list_models() == ["gaussian", "toy"]
    assert list_models("t*") == ["toy"]
    info = model_info("toy")
    assert (info.name, info.summary, info.reference) == ("toy", "Scales every value.", "Toy et al., 2024")
    assert (info.distribution, info.version) == ("flowzoo-toy", "1.0")
    assert [(each.name, each.default) for each in info.options] == [
        ("bijector", "scale"),
        ("bijector.width", 2),
        ("dequantisation", "uniform"),
        ("classes", 0),
        ("class_dropout", 0.1),
    ]


INEXACT = """
    from flowzoo.api import CascadeOptions, Component, Spec, cascade_model, hookimpl
    from flowzoo.api import BijectorTraits, Exactness, TransformTraits
    from flowzoo.builtin.affine import Affine
    from flowzoo.builtin.identity import IdentityTransform

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [
            Component("model", "guess", "flowzoo_guess:build_guess", "Builds what it is told", exact=False),
            Component("bijector", "guess", "flowzoo_guess:build_bijector", "Estimates", exact=False),
            Component("transform", "guess", "flowzoo_guess:build_transform", "Estimates", exact=False),
            Component("bijector", "lie", "flowzoo_guess:build_contradiction", "Contradicts", exact=False),
            Component("transform", "draw", "flowzoo_guess:build_drawing", "Draws", exact=False),
        ]

    def build_guess(shape, builder, *, transform: str = "identity", bijector: str = "identity"):
        split = Spec("halves")
        parts = {"transform": Spec(transform), "split": split, "bijector": Spec(bijector)}
        return cascade_model(shape, builder, options=CascadeOptions(levels=2, **parts))

    def build_bijector(shape, context_shape, builder):
        bijector = Affine()
        bijector.traits = BijectorTraits(exactness=Exactness.NONE)
        return bijector

    def build_transform(shape, builder):
        transform = IdentityTransform()
        transform.traits = TransformTraits(exactness=Exactness.NONE)
        return transform

    def build_drawing(shape, builder):
        transform = IdentityTransform()
        transform.traits = TransformTraits(Exactness.BOUND, stochastic=True)
        return transform

    def build_contradiction(shape, context_shape, builder):
        return Affine()
"""


@pytest.mark.parametrize(
    ("options", "pixels", "exactness"),
    [
        ({}, "affine", "exact"),
        ({"transform": "draw"}, "affine", "bound"),
        ({"transform": "guess"}, "affine", "none"),
        ({"transform": "draw", "bijector": "guess"}, "affine", "none"),
        ({}, "guess", "none"),
    ],
)
def test_a_model_is_as_exact_as_its_worst_part(install_plugin, options, pixels, exactness):
    install_plugin("flowzoo-guess", INEXACT)

    flow = create_model("guess", (2, 4, 4), pixels=pixels, **options)

    assert flow.exactness == exactness
    assert flow.stochastic == (options.get("transform") == "draw")


def test_a_component_declared_inexact_whose_traits_claim_exactness_is_refused(install_plugin):
    install_plugin("flowzoo-guess", INEXACT)

    with pytest.raises(PluginError, match="lie"):
        create_model("guess", (2, 4, 4), bijector="lie")
