"""The images that an adversarial term compares: real ones, and drawn ones through which gradients flow."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from flowzoo.call import Call
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.origin import origin_of
from flowzoo.shapes import Images, IntegerImages
from flowzoo.training.stage import Stage

CHECKED_ON = 2
"""Number of images by which it is checked whether gradients flow."""

SEED = 0
"""Seed of that check."""


def real_images(flow: Flow, images: IntegerImages, places: Sequence[int], call: Call) -> list[Images]:
    """Return images as the levels see them, in pixel space, ``(B, C, h, w)`` for each of the places.

    Args:
        flow: The model.
        images: ``(B, C, H, W)``, integers.
        places: Places of levels, 0 being the finest.
        call: Draws the noise that makes the images continuous.
    """
    with torch.no_grad():
        x = flow.dequantise(images, call).x
        return [_real(flow, x, place, call).to(flow.dtype) for place in places]


def _real(flow: Flow, x: Images, place: int, call: Call) -> Images:
    return x if place == 0 else flow.pixels.inverse(flow.level_input(place, x, call), None, call)


def drawn_images(
    flow: Flow, count: int, places: Sequence[int], trained: Sequence[int], call: Call
) -> list[Images]:
    """Draw images and return those of some levels, in pixel space, with gradients in the trained levels.

    Args:
        flow: The model.
        count: Number of images.
        places: Places of the levels whose images are returned, in this order.
        trained: Places of the levels that train. Others are computed without a gradient.
        call: Draws the latents.
    """
    latents = flow.draw_latents(count, call=call)
    found: dict[int, Images] = {}
    image: Images | None = None
    for place in reversed(range(min(places), len(flow.levels))):
        with torch.set_grad_enabled(place in trained):
            image = flow.level(place).inverse(image, latents[place], call)
            if place in places:
                found[place] = flow.pixels.inverse(image, None, call).to(flow.dtype)
    return [found[place] for place in places]


def require_differentiable(flow: Flow, stage: Stage, places: Sequence[int]) -> None:
    """Refuse a model whose samples depend on parameters that get no gradient from them.

    A few images are drawn. Where a parameter has no gradient, it is changed, and so must not the images.

    Args:
        flow: The model, after the first pass over the data.
        stage: What trains.
        places: Places of the levels whose images are compared.

    Raises:
        OptionError: Sampling cannot be differentiated, in whole or in part.
    """

    def draw(model: Flow) -> list[Images]:
        call = Call(generator=torch.Generator(device=model.device).manual_seed(SEED))
        return drawn_images(model, CHECKED_ON, places, stage.levels, call)

    trains = {id(each) for each in stage.parameters(flow)}
    named = {name: each for name, each in flow.named_parameters() if id(each) in trains}
    named = {name: each for name, each in named.items() if each.requires_grad}
    with torch.enable_grad():
        images = draw(flow)
        total = torch.stack([each.sum() for each in images]).sum()
        try:
            gradients = _gradients(total, list(named.values()))
        except RuntimeError as error:
            raise _not_differentiable(flow, "", f" ({' '.join(str(error).split())[:120]})") from error
    missing = [name for name, each in zip(named, gradients, strict=True) if each is None]
    if not missing:
        return
    other = copy.deepcopy(flow)
    noise = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, each in other.named_parameters():
            if name in missing:
                each.add_(0.1 * torch.randn(each.shape, generator=noise, dtype=each.dtype).to(each.device))
        if not all(torch.allclose(*pair) for pair in zip(images, draw(other), strict=True)):
            raise _not_differentiable(flow, missing[0], "")


def _gradients(total: Tensor, parameters: list[Tensor]) -> Sequence[Tensor | None]:
    if not parameters or not total.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(total, parameters, allow_unused=True)


def _not_differentiable(flow: Flow, parameter: str, reason: str) -> OptionError:
    around = [module for name, module in flow.named_modules() if parameter.startswith(f"{name}.")]
    known = [name for name in map(origin_of, around) if name]
    part = f"of {known[-1]} " if known else ""
    return OptionError(
        f"an adversarial term needs samples that can be differentiated, and the inverse {part}gives its "
        f"parameters no gradient{reason}. Leave training.adversarial out, or use another bijector"
    )
