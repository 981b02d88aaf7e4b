"""Whether ``decode`` inverts ``encode``, for images and for drawn latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from flowzoo.call import Call
from flowzoo.errors import NumericalError
from flowzoo.evaluation.density.maps import Settings
from flowzoo.flow import Flow


def image_errors(flow: Flow, copied: Flow, x: Tensor, there: Settings, back: Settings) -> Tensor:
    """Return the largest error of ``decode(encode(x))`` of each image, ``(N,)``.

    What a stochastic transform draws is dropped on the way back, so ``x`` does not depend on it. A copy of
    the model decodes, after it has encoded other images. So a part that remembers what it encoded, instead of
    computing it from the latents, does not pass.

    Args:
        flow: The model, in float64, which encodes.
        copied: A copy of it, which decodes.
        x: ``(N, C, H, W)``, float64.
        there: Settings of the model.
        back: Settings of the copy.
    """
    latents = [z.clone() for z in flow.encode(x, there.call())]
    # Without tight steps, which would take long, and whose result is not needed.
    copied.encode(x.flip(0, -1), replace(back, solver=replace(back.solver, tight=False)).call())
    return (copied.decode(latents, back.call()) - x).abs().flatten(1).amax(1)


def latent_error(flow: Flow, images: int, seed: int, settings: Settings) -> float:
    """Return the largest error of ``encode(decode(z))`` for drawn ``z``, relative to ``1 + |z|``.

    Level by level, since drawn latents decode to images that may leave [0, 1), or come so near its ends that
    a logit has no digits left, and since a stochastic transform draws anew.

    Args:
        flow: The model, in float64.
        images: Number of images to draw.
        seed: Seed of the latents.
        settings: Settings of both passes.

    Raises:
        NumericalError: A decoded value is not finite.
    """
    owners = [place % len(settings.generators) for place in range(images)]
    generator = torch.Generator().manual_seed(seed)
    latents = flow.draw_latents(images, call=Call(generator=generator))
    worst = 0.0
    y: Tensor | None = None
    for place in reversed(range(len(flow.levels))):
        level, z = flow.level(place), latents[place]
        kept = y
        factored = level.conditional.inverse(z, kept, settings.call(owners))
        merged = level.split.merge(kept, factored)
        transformed = level.joint.inverse(merged, None, settings.call(owners))
        again, _ = level.joint(transformed, None, settings.call(owners))
        kept_again, factored_again = level.split.split(again)
        z_again, _ = level.conditional(factored_again, kept_again, settings.call(owners))
        worst = max(worst, *_errors([z_again, kept_again], [z, kept]))
        y = level.transform.inverse(transformed, settings.call(owners))
        if not bool(y.isfinite().all()):
            raise NumericalError(f"level {place} decodes them to values that are not finite")
        if not level.transform.traits.stochastic:
            back, _ = level.transform(y, settings.call(owners))
            worst = max(worst, *_errors([back], [transformed]))
    return worst


def _errors(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> list[float]:
    errors = [0.0]
    for ours, theirs in zip(found, expected, strict=True):
        if ours is not None and theirs is not None and theirs.numel():
            error = float(((ours - theirs).abs() / (1.0 + theirs.abs())).max())
            errors.append(error if error == error else float("inf"))
    return errors
