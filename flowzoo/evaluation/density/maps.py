"""A model as maps of vectors: all of ``encode`` at once, or one part at a time with the others fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.call import Call
from flowzoo.evaluation.density.draws import Noise, noise_in, with_noise
from flowzoo.flow import Flow
from flowzoo.flow_values import labels_at
from flowzoo.solving import ORDINARY, Solving

Generators = tuple[torch.Generator, ...]


@dataclass(frozen=True)
class Settings:
    """The settings with which a model computes while it is judged.

    Attributes:
        generators: One for each image, in the state in which the model gets them.
        solver: Settings for parts that solve an equation.
        labels: The class of each image, ``(N,)``; None for a model that is given none.
    """

    generators: Generators
    solver: Solving = ORDINARY
    labels: Tensor | None = None

    def of(self, images: Sequence[int]) -> Settings:
        """Return the settings of some of the images."""
        generators = tuple(self.generators[image] for image in images)
        return replace(self, generators=generators, labels=labels_at(self.labels, images))

    def call(self, owners: Sequence[int] | None = None, exact: bool = False) -> Call:
        """Return a call for a batch whose rows belong to these images, by default each to its own."""
        chosen = range(len(self.generators)) if owners is None else owners
        generators = tuple(self.generators[owner].clone_state() for owner in chosen)
        solver = replace(self.solver, exact=exact)
        return Call(generator=generators, solver=solver, labels=labels_at(self.labels, chosen))


@final
class Whole:
    """``(x, noise) -> latents``, all of ``encode``; the noise is that of stochastic transforms.

    A model without stochastic transforms draws no noise that counts, and the map is ``x -> latents``.

    Args:
        flow: The model, in float64.
        x: Images, ``(N, C, H, W)``.
        settings: Settings of the passes.
    """

    def __init__(self, flow: Flow, x: Tensor, settings: Settings) -> None:
        self._flow = flow
        self._shape = x.shape[1:]
        self._settings = settings
        self._noise = Noise()
        with noise_in(flow, self._noise):
            flow.encode(x, settings.call())
        noise = self._noise.flat(x)
        self._log_noise = x.new_zeros(len(x)) if self._noise.log_prob is None else self._noise.log_prob.to(x)
        self.start = torch.cat([x.flatten(1), noise], dim=1)
        self.room = torch.cat([pixel_room(x), torch.full_like(noise, 0.1)], dim=1)

    def __call__(self, rows: Tensor, image: int) -> Tensor:
        with self._noise_of(rows) as x:
            latents = self._flow.encode(x, self._settings.call([image] * len(rows)))
        return torch.cat([z.flatten(1) for z in latents], dim=1)

    def latents(self) -> Tensor:
        """Return ``log N(encode(x); 0, I)`` minus the log-density of the noise, ``(N,)``, nats."""
        with self._noise_of(self.start) as x:
            latents = self._flow.encode(x, self._settings.call())
        total = -self._log_noise
        for z in latents:
            total = total + standard_normal_log_prob(z)
        return total

    def stated(self, exact: bool, count: int) -> Tensor:
        """Return the model's own ``log p(x)`` of the first images, nats, under the same noise."""
        with self._noise_of(self.start[:count]) as x:
            return self._flow.log_prob(x, self._settings.call(range(count), exact=exact))

    def estimates(self, image: int, generators: Generators) -> Tensor:
        """Return estimates of one image's ``log p(x)``, ``(P,)``, one for each generator of probes."""
        rows = self.start[image].expand(len(generators), -1)
        labels = labels_at(self._settings.labels, [image] * len(generators))
        probing = Settings(generators, self._settings.solver, labels)
        with self._noise_of(rows) as x:
            return self._flow.log_prob(x, probing.call())

    @contextmanager
    def _noise_of(self, rows: Tensor) -> Iterator[Tensor]:
        """Yield the images that rows hold. Inside the block, the transforms draw the rows' noise."""
        pixels = self._shape.numel()
        with noise_in(self._flow, self._noise.replayed(rows[:, pixels:])):
            yield rows[:, :pixels].reshape(len(rows), *self._shape)


@dataclass(frozen=True)
class Part:
    """One part of a model, as a map of vectors with everything before it fixed.

    Attributes:
        name: Name such as ``level 0, conditional``.
        module: The module that computes it.
        start: Its input, ``(N, n)``.
        room: How far each value may be moved, ``(N, n)``.
        apply: Maps rows, given the image that they belong to.
        stated: The ``log_det`` that the part states, ``(N,)``, nats.
        latents: ``log N(z; 0, I)`` if its output is a latent, ``(N,)``; otherwise zeros.
        noise: Log-density of the noise that it draws, ``(N,)``; zeros if it draws none.
    """

    name: str
    module: nn.Module
    start: Tensor
    room: Tensor
    apply: Callable[[Tensor, int], Tensor]
    stated: Tensor
    latents: Tensor
    noise: Tensor

    def __call__(self, rows: Tensor, image: int) -> Tensor:
        return self.apply(rows, image)


def parts_of(flow: Flow, x: Tensor, settings: Settings, exact: bool) -> Iterator[Part]:
    """Yield the parts of a model in the order in which an image meets them.

    Given what a level keeps, the Jacobian of ``encode`` is block triangular, so the parts' log-determinants
    add up to the whole's, and each part may be judged with its context fixed. The noise of a stochastic
    transform counts as part of its input.

    Args:
        flow: The model, in float64.
        x: Images, ``(N, C, H, W)``.
        settings: Settings of the passes.
        exact: Whether exact log-determinants are requested from the parts.
    """
    generators = tuple(each.clone_state() for each in settings.generators)
    solver = replace(settings.solver, exact=exact)
    call = Call(generator=generators, solver=solver, labels=labels_at(settings.labels, range(len(x))))

    def now() -> Settings:
        return replace(settings, generators=tuple(each.clone_state() for each in generators))

    zeros = x.new_zeros(len(x))
    before = now()
    y, log_det = flow.pixels(x, None, call)
    apply = bijector_map(flow.pixels, x, None, before)
    yield Part("pixels", flow.pixels, x.flatten(1), pixel_room(x), apply, log_det, zeros, zeros)
    for place in range(len(flow.levels)):
        level = flow.level(place)
        before, noise = now(), Noise()
        noisy = with_noise(call, noise) if level.transform.traits.stochastic else call
        transformed, log_det = level.transform(y, noisy)
        yield _part(
            f"level {place}, transform",
            level.transform,
            torch.cat([y.flatten(1), noise.flat(y)], dim=1),
            _transform(level.transform, y, noise, before),
            log_det,
            noise=zeros if noise.log_prob is None else noise.log_prob.to(x),
        )
        before = now()
        joined, log_det = level.joint(transformed, None, call)
        apply = _joint_and_split(level, transformed, before)
        yield _part(f"level {place}, joint", level.joint, transformed.flatten(1), apply, log_det)
        kept, factored = level.split.split(joined, call)
        before = now()
        z, log_det = level.conditional(factored, kept, call)
        apply = bijector_map(level.conditional, factored, kept, before)
        latents = standard_normal_log_prob(z)
        yield _part(
            f"level {place}, conditional", level.conditional, factored.flatten(1), apply, log_det, latents
        )
        y = y if kept is None else kept


def _part(
    name: str,
    module: nn.Module,
    start: Tensor,
    apply: Callable[[Tensor, int], Tensor],
    stated: Tensor,
    latents: Tensor | None = None,
    noise: Tensor | None = None,
) -> Part:
    zeros = torch.zeros_like(stated)
    latents, noise = (zeros if each is None else each for each in (latents, noise))
    return Part(name, module, start, 0.1 + 0.1 * start.abs(), apply, stated, latents, noise)


def pixel_room(x: Tensor) -> Tensor:
    """Return how far pixels may be moved, ``(N, n)``: less near 0 and 1, where logits are steep."""
    return torch.minimum(x, 1.0 - x).flatten(1).clamp(min=1e-9)


def bijector_map(
    part: nn.Module, like: Tensor, context: Tensor | None, settings: Settings
) -> Callable[[Tensor, int], Tensor]:
    """Return a bijector as a map of rows, each given the context of its image."""

    def apply(rows: Tensor, image: int) -> Tensor:
        given = None if context is None else context[image].expand(len(rows), *context.shape[1:])
        call = settings.call([image] * len(rows))
        out: Tensor = part(rows.reshape(len(rows), *like.shape[1:]), given, call)[0]
        return out.flatten(1)

    return apply


def _transform(part: Any, like: Tensor, noise: Noise, settings: Settings) -> Callable[[Tensor, int], Tensor]:
    values = like.shape[1:].numel()

    def apply(rows: Tensor, image: int) -> Tensor:
        call = settings.call([image] * len(rows))
        if noise.values:
            call = with_noise(call, noise.replayed(rows[:, values:]))
        out: Tensor = part(rows[:, :values].reshape(len(rows), *like.shape[1:]), call)[0]
        return out.flatten(1)

    return apply


def _joint_and_split(level: Any, like: Tensor, settings: Settings) -> Callable[..., Tensor]:
    def apply(rows: Tensor, image: int) -> Tensor:
        call = settings.call([image] * len(rows))
        y, _ = level.joint(rows.reshape(len(rows), *like.shape[1:]), None, call)
        kept, factored = level.split.split(y, call)
        pieces = [factored] if kept is None else [kept, factored]
        return torch.cat([each.flatten(1) for each in pieces], dim=1)

    return apply
