"""How integer images enter a model: with noise, whose density is judged too unless it is uniform."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from flowzoo.call import Call
from flowzoo.dequantisation import Dequantisation, Uniform
from flowzoo.evaluation.density.draws import Noise, with_noise
from flowzoo.evaluation.density.maps import Generators, Part, Settings
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages
from flowzoo.solving import ORDINARY, Solving


@dataclass(frozen=True)
class Entrance:
    """Images as they enter a model.

    Attributes:
        x: The images with their noise, ``(N, C, H, W)``, float64.
        settings: Settings of the passes that follow; the generators have drawn the noise.
        parts: The noise as a part of the model, which maps draws of the call to it. Empty if it is uniform,
            since its density is then 1.
    """

    x: Tensor
    settings: Settings
    parts: tuple[Part, ...]


def enter(
    flow: Flow,
    images: IntegerImages,
    generators: Generators,
    solver: Solving = ORDINARY,
    labels: Tensor | None = None,
) -> Entrance:
    """Draw the noise of images.

    Args:
        flow: The model, in float64.
        images: ``(N, C, H, W)``, integers.
        generators: One for each image, new.
        solver: Solver settings of the passes that follow.
        labels: The class of each image, ``(N,)``, in the passes that follow; None for none.
    """
    images = images.to(flow.device)
    again = Call(generator=tuple(each.clone_state() for each in generators))
    x, log_q = flow.dequantise(images, Call(generator=generators))
    parts: tuple[Part, ...] = ()
    if type(flow.dequantisation) is not Uniform:
        parts = (noise_part(flow.dequantisation, images, flow.bins, again, log_q.to(x)),)
    return Entrance(x, Settings(generators, solver, labels), parts)


def noise_part(
    dequantisation: Dequantisation, images: IntegerImages, bins: int, call: Call, log_q: Tensor
) -> Part:
    """Return the draw of noise as a map of the numbers that it draws from the call.

    Args:
        dequantisation: The noise, in float64.
        images: ``(N, C, H, W)``, integers.
        bins: ``M``, the number of integers that a value can take.
        call: Draws the noise, with one generator for each image.
        log_q: The log-density that it states, ``(N,)``, nats.
    """
    drawn = Noise()
    u, _ = dequantisation(images, bins, with_noise(call, drawn))

    def apply(rows: Tensor, image: int) -> Tensor:
        same = images[image].expand(len(rows), *images.shape[1:])
        noise: Tensor = dequantisation(same, bins, with_noise(call, drawn.replayed(rows)))[0]
        return noise.flatten(1)

    zeros = log_q.new_zeros(len(images))
    return Part(
        name="dequantisation",
        module=dequantisation,
        start=drawn.flat(u.flatten(1)),
        room=drawn.room(u.flatten(1)),
        apply=apply,
        stated=-log_q,
        latents=zeros,
        noise=zeros if drawn.log_prob is None else drawn.log_prob.to(log_q),
    )
