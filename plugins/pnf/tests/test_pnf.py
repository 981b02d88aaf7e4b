"""PNF: its shapes, its likelihood by brute force, and the identities of encoder, decoder and projection."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

import flowzoo
from flowzoo.errors import OptionError, ShapeError
from flowzoo.testing import brute_force_log_prob, randomise

LOGIT = {"name": "logit", "alpha": 0.05}
CONVOLUTIONAL = {"checkerboard": 2, "channel": 2, "network": {"hidden": 4, "blocks": 1}}
DENSE = {"checkerboard": 2, "channel": 0, "network": {"name": "dense", "hidden": 8, "layers": 1}}
BIJECTORS = pytest.mark.parametrize("bijector", [CONVOLUTIONAL, DENSE], ids=["conv", "dense"])
PIXELS = pytest.mark.parametrize("pixels", ["affine", LOGIT], ids=["affine", "logit"])


def pnf(shape: tuple[int, int, int], levels: int, **options: Any) -> flowzoo.Flow:
    """Return a model in float64 whose couplings do something."""
    model = flowzoo.create_model("pnf", shape, levels=levels, seed=0, **options).double()
    model.initialise([images(shape, 64)])
    randomise(model, seed=0)
    return model


def images(shape: tuple[int, int, int], count: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_halves_width_and_height_in_turn() -> None:
    model = flowzoo.create_model("pnf", (3, 32, 32), bijector=CONVOLUTIONAL)
    assert model.latent_shapes == ((3, 32, 16), (3, 16, 16), (3, 16, 8), (3, 8, 8), (3, 8, 8))
    assert model.separable
    assert model.level(0).shapes((3, 32, 32))[0] == (3, 32, 16)


@BIJECTORS
@PIXELS
def test_log_prob_is_that_of_the_whole_jacobian(bijector: dict[str, Any], pixels: Any) -> None:
    model = pnf((1, 4, 4), 3, bijector=bijector, pixels=pixels)
    x = images((1, 4, 4))
    torch.testing.assert_close(model.log_prob(x), brute_force_log_prob(model, x), atol=1e-8, rtol=0)
    same(model.decode(model.encode(x)), x)


@BIJECTORS
@PIXELS
@pytest.mark.parametrize(("steps", "coarse"), [(1, (2, 8, 4)), (2, (2, 4, 4)), (3, (2, 4, 2))])
def test_encoder_undoes_decoder_and_projection_projects(
    bijector: dict[str, Any], pixels: Any, steps: int, coarse: tuple[int, int, int]
) -> None:
    model = pnf((2, 8, 8), 4, bijector=bijector, pixels=pixels)
    z, x = images(coarse), images((2, 8, 8))
    decoded = flowzoo.upscale(model, z, steps, temperature=0.0)
    same(flowzoo.downscale(model, decoded, steps), z)
    once = flowzoo.project(model, x, steps)
    assert float((once - x).abs().max()) > 0.05
    same(flowzoo.project(model, once, steps), once)
    same(flowzoo.project(model, decoded, steps), decoded)


@BIJECTORS
@PIXELS
def test_downscaling_returns_the_coarse_image_for_every_noise(bijector: dict[str, Any], pixels: Any) -> None:
    model = pnf((1, 8, 8), 3, bijector=bijector, pixels=pixels)
    z = images((1, 4, 4))
    drawn = [flowzoo.upscale(model, z, 2, temperature=0.5, seed=seed) for seed in range(3)]
    assert float((drawn[0] - drawn[1]).abs().max()) > 0.01
    for each in drawn:
        same(flowzoo.downscale(model, each, 2), z)


def test_in_pixel_space_the_encoder_is_the_mean_and_in_logit_space_that_of_logits() -> None:
    x = images((1, 8, 8))
    same(flowzoo.downscale(pnf((1, 8, 8), 5, bijector=DENSE), x, 4), avg_pool2d(x, 4))
    logits = torch.logit(0.05 + 0.9 * x)
    expected = (torch.sigmoid(avg_pool2d(logits, 4)) - 0.05) / 0.9
    same(flowzoo.downscale(pnf((1, 8, 8), 5, bijector=DENSE, pixels=LOGIT), x, 4), expected)


def test_details_depend_on_the_coarse_image() -> None:
    model = pnf((1, 4, 4), 2, bijector=CONVOLUTIONAL)
    low, high = torch.full((1, 1, 4, 2), 0.2).double(), torch.full((1, 1, 4, 2), 0.8).double()
    details = [model.level(0).transform(flowzoo.upscale(model, z, 1, 0.0))[0][:, 1:] for z in (low, high)]
    assert float((details[0] - details[1]).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("options", "latents"),
    [
        ({"transform": "haar", "split": "keep-first-channels"}, ((3, 4, 2), (3, 2, 1), (1, 2, 1))),
        ({"transform": {"name": "axis", "axis": "height"}}, ((1, 4, 4), (1, 2, 4), (1, 2, 4))),
        (
            {"transform": [{"name": "axis", "axis": "height"}, {"name": "axis", "axis": "width"}]},
            ((1, 4, 4), (1, 4, 2), (1, 4, 2)),
        ),
        ({"transform": ["squeeze"]}, ((2, 4, 2), (4, 2, 1), (4, 2, 1))),
        ({"last": "gaussian"}, ((1, 8, 2), (1, 4, 2), (1, 4, 2))),
    ],
)
def test_every_part_can_be_another_by_name(
    options: dict[str, Any], latents: tuple[tuple[int, int, int], ...], tmp_path: Any
) -> None:
    model = pnf((1, 8, 4), 3, bijector=CONVOLUTIONAL, **options)
    assert model.latent_shapes == latents
    x = images((1, 8, 4))
    torch.testing.assert_close(model.log_prob(x), brute_force_log_prob(model, x), atol=1e-8, rtol=0)
    flowzoo.save_model(model, tmp_path / "model")
    assert torch.equal(flowzoo.load_model(tmp_path / "model").double().log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(
    ("shape", "options", "error", "message"),
    [
        ((1, 8, 8), {"levels": 8}, ShapeError, "the width of 1x1 is odd; use fewer levels"),
        ((1, 8, 7), {}, ShapeError, "the width of 8x7 is odd"),
        ((1, 7, 8), {}, ShapeError, "the height of 7x4 is odd"),
        ((1, 8, 8), {"transform": []}, OptionError, "allowed: transform | list of transform length >= 1"),
        ((1, 8, 8), {"transform": {"name": "axis", "axis": "depth"}}, OptionError, "'width' | 'height'"),
    ],
)
def test_what_cannot_be_is_refused(
    shape: tuple[int, int, int], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace("|", r"\|")):
        flowzoo.create_model("pnf", shape, **options)
