"""The loss of crops: on average over the tiles it is the whole image's, and so is its gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

import flowzoo
from flowzoo.api import Call, Images, Ledger, OptionError, Shape, ShapeError
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise
from flowzoo_wavelet_flow.crops import Crops

SMALL = {"hidden": 6}


@dataclass(frozen=True)
class Chosen(Call):
    """A run in which every image draws the same numbers."""

    drawn: tuple[float, ...] = ()

    def uniform(self, like: Tensor) -> Tensor:
        return torch.tensor(self.drawn, dtype=like.dtype).expand(like.shape)


@dataclass(frozen=True)
class Case:
    """An inner bijector, and how images are cut for it: tiles down and across."""

    inner: dict[str, Any]
    shape: Shape
    size: int
    tiles: tuple[int, int]
    context_shape: Shape | None = None

    def ready(self, **options: Any) -> tuple[Crops, Images, Images | None]:
        """Return the bijector with random weights, data and contexts."""
        crops: Crops = build_component(
            "bijector", "crops", self.shape, self.context_shape, inner=self.inner, size=self.size, **options
        ).double()
        x, context = noise(self.shape, 0), noise(self.context_shape, 1) if self.context_shape else None
        crops(x, context, Call("initialise", ledger=Ledger()))
        randomise(crops, seed=0)
        return crops, x, context

    def runs(self) -> Iterator[Call]:
        """Return one run for each tile."""
        down, across = self.tiles
        for row in range(down):
            for column in range(across):
                yield Chosen("train", drawn=((row + 0.5) / down, (column + 0.5) / across))


GLOW = Case({"name": "glow", "steps": 2, "network": SMALL}, (3, 20, 14), 4, (5, 4), (1, 20, 14))
SQUEEZED = Case({"name": "glow", "steps": 1, "squeeze": True, "network": SMALL}, (2, 24, 18), 6, (4, 3))
REALNVP = Case(
    {"name": "realnvp", "checkerboard": 2, "channel": 1, "network": {"hidden": 4, "blocks": 0}},
    (1, 40, 28),
    10,
    (4, 3),
    (2, 40, 28),
)
ODD = Case({"name": "glow", "steps": 1, "network": SMALL}, (2, 21, 13), 5, (6, 4))
LONG = Case({"name": "glow", "steps": 2, "network": SMALL}, (2, 6, 30), 6, (1, 5))
GREY = Case(GLOW.inner, (1, 20, 14), 4, (5, 4))
COARSE_CONTEXT = Case(GLOW.inner, (3, 20, 14), 4, (5, 4), (2, 10, 7))
FINE_CONTEXT = Case(SQUEEZED.inner, (2, 24, 18), 6, (4, 3), (1, 48, 36))
CASES = [GLOW, SQUEEZED, REALNVP, ODD, LONG, GREY, COARSE_CONTEXT, FINE_CONTEXT]


def noise(shape: Shape, seed: int) -> Images:
    return torch.randn((3, *shape), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradients(crops: Crops, loss: Tensor) -> Tensor:
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(crops.parameters()))])


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_on_average_the_whole_image_s(case: Case) -> None:
    crops, x, context = case.ready()
    assert crops.tiles == math.prod(case.tiles)
    assert crops.traits.loss_is_likelihood
    whole = crops.loss(x, context)
    mean = torch.stack([crops.loss(x, context, call) for call in case.runs()]).mean(0)
    torch.testing.assert_close(mean, whole, atol=1e-10, rtol=0)
    torch.testing.assert_close(gradients(crops, mean.sum()), gradients(crops, whole.sum()), atol=1e-9, rtol=0)


@pytest.mark.parametrize("case", [GLOW, SQUEEZED, REALNVP])
def test_a_narrower_halo_gives_another_loss_and_says_so(case: Case) -> None:
    crops, x, context = case.ready(halo=0)
    assert crops.tiles == math.prod(case.tiles)
    assert not crops.traits.loss_is_likelihood
    mean = torch.stack([crops.loss(x, context, call) for call in case.runs()]).mean(0)
    assert float((mean - crops.inner.loss(x, context)).abs().min().detach()) > 0.1


def test_a_halo_narrower_by_two_is_too_narrow() -> None:
    """The measured halo is no wider than it has to be."""
    crops, x, context = GLOW.ready(halo=2)
    mean = torch.stack([crops.loss(x, context, call) for call in GLOW.runs()]).mean(0)
    assert float((mean - crops.inner.loss(x, context)).abs().min().detach()) > 1e-6


def test_each_image_draws_a_tile_of_its_own() -> None:
    crops, x, context = GLOW.ready()
    by_tile = torch.stack([crops.loss(x, context, call) for call in GLOW.runs()]).detach()
    call = Call("train", generator=torch.Generator().manual_seed(0))
    drawn = []
    for _ in range(100):
        match = (by_tile - crops.loss(x, context, call).detach()).abs() < 1e-10
        assert bool((match.sum(0) == 1).all())
        drawn.append(match.int().argmax(0))
    tiles = torch.stack(drawn)
    assert tiles.unique().tolist() == list(range(20))
    assert int((tiles[:, 0] == tiles[:, 1]).sum()) < 30


def test_in_evaluation_the_loss_is_the_whole_image_s() -> None:
    crops, x, context = GLOW.ready()
    assert torch.equal(crops.loss(x, context), crops.inner.loss(x, context))


def test_regularisers_are_those_of_the_whole_image() -> None:
    crops, x, context = REALNVP.ready()
    penalties = []
    for use in (crops, crops.inner):
        call, ledger = Call("train").collecting()
        use.loss(x, context, call)
        penalties.append(ledger.penalties["weight scales"])
    torch.testing.assert_close(*penalties)


def test_an_image_that_no_crop_makes_cheaper_is_computed_whole() -> None:
    """A glow of two steps looks 4 pixels far, so that a tile of 4 asks for a window of 12."""
    crops = build_component("bijector", "crops", (3, 12, 12), None, inner=GLOW.inner, size=4)
    assert crops.tiles == 1


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ({"name": "glow", "network": {"name": "dense", "hidden": 8}}, "does not work on other sizes"),
        ({"name": "gaussian"}, "does not work on other sizes"),
        ({"name": "cnf", "blocks": 1, "network": {"hidden": 4}}, "how far CNF looks cannot be measured"),
        ({"name": "cnf", "blocks": 1, "objective": "flow-matching"}, "does not train on its likelihood"),
    ],
)
def test_what_cannot_be_cropped_is_refused(inner: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        build_component("bijector", "crops", (1, 8, 8), None, inner=inner, size=4)


def test_on_small_images_any_bijector_will_do() -> None:
    crops = build_component("bijector", "crops", (1, 4, 4), None, inner={"name": "gaussian"}, size=4)
    assert crops.tiles == 1


def test_measuring_leaves_the_weights_as_they_are_without_crops() -> None:
    options = {"levels": 2, "bijector": {"steps": 1, "network": SMALL}, "seed": 0}
    plain = flowzoo.create_model("wavelet-flow", (1, 32, 32), **options)
    cropped = flowzoo.create_model("wavelet-flow", (1, 32, 32), crop=8, **options)
    expected = list(plain.state_dict().values())
    found = list(cropped.state_dict().values())
    assert len(expected) == len(found)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_a_model_with_crops_estimates_its_likelihood() -> None:
    """Through the cascade, standardised: the mean over many draws, within its standard error."""
    model = flowzoo.create_model(
        "wavelet-flow",
        (1, 32, 32),
        levels=2,
        crop=4,
        seed=0,
        bijector={"steps": 1, "network": SMALL},
        last={"steps": 1, "network": SMALL},
    ).double()
    x = torch.rand((2, 1, 32, 32), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model.initialise([x])
    randomise(model, seed=0)
    call = Call("train", generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        draws = torch.stack([model.level_loss(0, x, call) for _ in range(400)])
        whole = model.level_loss(0, x, Call())
    error = draws.std(0) / 20
    assert bool((error > 0).all())
    assert bool(((draws.mean(0) - whole).abs() < 4 * error).all())


def test_only_a_halo_as_wide_as_the_bijector_looks_gives_a_likelihood() -> None:
    assert not build_component(
        "bijector", "crops", GLOW.shape, None, inner=GLOW.inner, size=4, halo=0
    ).traits.loss_is_likelihood
    assert build_component(
        "bijector", "crops", GLOW.shape, None, inner=GLOW.inner, size=4, halo=100
    ).traits.loss_is_likelihood


def test_the_shape_error_of_the_cascade_comes_through() -> None:
    with pytest.raises(ShapeError, match="odd"):
        flowzoo.create_model("wavelet-flow", (1, 6, 6), levels=3, crop=2)


@pytest.mark.parametrize("case", [GLOW, SQUEEZED, REALNVP, ODD, LONG, COARSE_CONTEXT])
def test_large_images_in_tiles_are_what_they_are_as_a_whole(case: Case) -> None:
    at_once, x, context = case.ready(at_once=None)
    tiled, _, _ = case.ready(at_once=case.size)
    tiled.load_state_dict(at_once.state_dict())
    assert sum(1 for _ in tiled._windows()) > 1
    with torch.no_grad():
        z, log_det = at_once(x, context)
        found, of_tiles = tiled(x, context)
        torch.testing.assert_close(found, z, atol=1e-12, rtol=0)
        torch.testing.assert_close(of_tiles, log_det, atol=1e-10, rtol=0)
        torch.testing.assert_close(tiled.inverse(z, context), x, atol=1e-10, rtol=0)
        torch.testing.assert_close(
            tiled.inverse(2 * z, context), at_once.inverse(2 * z, context), atol=1e-10, rtol=0
        )


def test_each_image_shows_a_window_of_its_own_in_the_first_pass() -> None:
    crops: Crops = build_component(
        "bijector", "crops", (1, 24, 24), None, inner="actnorm", size=8, at_once=8
    ).double()
    x = noise((1, 24, 24), 0)
    z, log_det = crops(x, None, Call("initialise", ledger=Ledger()))
    windows = [window for window, _, _ in crops._windows()]
    seen = torch.cat([x[place][windows[place]].flatten() for place in range(len(x))])
    expected = (x - seen.mean()) / seen.std(correction=0)
    torch.testing.assert_close(z, expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(crops(x)[1], log_det)


def test_a_model_of_large_images_computes_in_tiles_what_it_computes_as_a_whole() -> None:
    glow = {"name": "glow", "steps": 1, "network": SMALL}
    options = {"levels": 2, "bijector": glow, "last": {**glow, "squeeze": True}, "crop": 8}
    models = [
        flowzoo.create_model("wavelet-flow", (1, 64, 48), seed=0, at_once=size, **options).double()
        for size in (None, 16)
    ]
    x = torch.rand(2, 1, 64, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    models[0].initialise([x])
    randomise(models[0], seed=0)
    models[1].load_state_dict(models[0].state_dict())
    first, second = (model.log_prob(x) for model in models)
    torch.testing.assert_close(first, second, atol=1e-8, rtol=0)
    first, second = (model.sample(2, seed=1) for model in models)
    torch.testing.assert_close(first, second, atol=1e-8, rtol=0)
