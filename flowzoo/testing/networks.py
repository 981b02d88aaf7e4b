"""Checks of the networks inside couplings and vector fields."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from flowzoo.errors import FlowzooError
from flowzoo.network import Network
from flowzoo.perturbation import randomise
from flowzoo.shapes import Images, Shape
from flowzoo.testing.draws import BATCH, Draws, draw_noise
from flowzoo.testing.readings import Readings
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9
"""Largest difference between two ways of computing the same, in float64."""


@final
class Net(Subject):
    """A network on trial. If it takes a time, each image gets a different one."""

    module: Network

    def first_pass(self, seed: int = 0) -> None:
        """Do nothing: networks take no state from data."""

    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        return {"the output": self.module(x, context, self._times(x, draws))}

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        y = self.module(x, context, self._times(x, draws))
        return {"a function of its output": (y * draw_noise(y)).sum()}

    def _times(self, x: Images, draws: Draws) -> Tensor | None:
        if not self.trial.timed:
            return None
        return (torch.tensor([*draws.indices], dtype=torch.float64) / BATCH).to(x)


def in_all_variants(check: Callable[[type[Net], Trial], None]) -> Callable[[type[Net], Trial], None]:
    """Return a check that runs with and without a context and a time, unless the network refuses that."""

    def every(kind: type[Net], trial: Trial) -> None:
        for variant in variants_of(trial):
            check(kind, variant)

    return every


def has_network_shapes(kind: type[Net], trial: Trial) -> None:
    """The output has the stated number of channels, and the input's height and width."""
    subject = kind.ready(trial)
    channels, height, width = trial.check.shape
    y = subject.outputs(subject.images(), subject.context(), Draws())["the output"]
    expected = (BATCH, channels + 1, height, width)
    require(tuple(y.shape) == expected, f"the output has shape {tuple(y.shape)}, expected {expected}")


def uses_its_time(kind: type[Net], trial: Trial) -> None:
    """One time for all images gives the same as that time for each, and another time changes the output."""
    if not trial.timed:
        return
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    time = torch.tensor(0.25, dtype=torch.float64)
    y = subject.module(x, context, time)
    require_close(subject.module(x, context, time.expand(BATCH)), y, 1e-12, "one time for each image")
    require(not torch.equal(subject.module(x, context, time + 0.5), y), "the output does not depend on time")


def pushes_tangents(kind: type[Net], trial: Trial) -> None:
    """The prepared network computes the network, and its ``jvp`` agrees with the brute-force Jacobian.

    This holds for one tangent, for several, and for several that all images have in common. The results have
    the gradients with respect to the image, the context and the parameters that the brute-force product has.
    """
    if not trial.timed:
        return
    subject = kind.ready(trial)
    network, context, at = subject.module, subject.context(), 0.25
    x = subject.images().requires_grad_()
    given = {"the input": x} if context is None else {"the input": x, "the context": context.requires_grad_()}
    time = torch.tensor(at, dtype=torch.float64)
    prepared = network.prepare(context, x)
    y = network(x, context, time)
    require_close(prepared(x, at), y, _ROUNDING, "the prepared network")
    jacobian = torch.autograd.functional.jacobian(lambda v: network(v, context, time), x, create_graph=True)
    parameters = {name: each for name, each in network.named_parameters() if each.requires_grad}
    inputs = {**given, **parameters}
    own = draw_noise(torch.stack([x, x]))
    shared = own[:, :1]
    pixels = [-4, -3, -2, -1]
    pushed = {
        "jvp": (own[0], prepared.jvp(x, own[0], at)),
        "jvp_many": (own, prepared.jvp_many(x, own, at)),
        "jvp_many, tangents shared by all images,": (
            shared.expand_as(own),
            prepared.jvp_many(x, shared, at),
        ),
    }
    for what, (tangent, (value, product)) in pushed.items():
        expected = torch.tensordot(tangent, jacobian, [pixels, pixels])
        require_close(value, y, _ROUNDING, f"the value of {what}")
        require_close(product, expected, _ROUNDING, f"the product of {what}")
        found = _gradients([value, product], list(inputs.values()))
        wanted = _gradients([y, expected], list(inputs.values()))
        for name, gradient, brute_force in zip(inputs, found, wanted, strict=True):
            require_close(gradient, brute_force, _ROUNDING, f"the gradient of {what} with respect to {name}")


@torch.no_grad()
def prepares_anew(kind: type[Net], trial: Trial) -> None:
    """The prepared network follows the parameters and the context, and does not change its arguments."""
    if not trial.timed:
        return
    subject = kind.ready(trial)
    network, at, x = subject.module, 0.25, subject.images()
    time = torch.tensor(at, dtype=torch.float64)
    first, second = subject.context(), subject.context(seed=7)
    given = [each for each in (x, first, second) if each is not None]
    copies = [each.clone() for each in given]
    prepared, other = network.prepare(first, x), network.prepare(second, x)
    for what, ready, context in (("first", prepared, first), ("second", other, second)):
        expected = network(x, context, time)
        require_close(ready(x, at), expected, _ROUNDING, f"the {what} of two prepared networks")
        ready.jvp(x, draw_noise(x), at)
    randomise(network, seed=3)
    again = network.prepare(first, x)(x, at)
    require_close(again, network(x, first, time), _ROUNDING, "prepared again after the parameters changed")
    network.load_state_dict({name: 0.5 * value for name, value in subject.state().items()})
    again = network.prepare(first, x)(x, at)
    require_close(again, network(x, first, time), _ROUNDING, "prepared again after weights were loaded")
    alike = all(torch.equal(each, copy) for each, copy in zip(given, copies, strict=True))
    require(alike, "prepare or jvp changes a tensor that it was given")


@torch.no_grad()
def reads_no_values(kind: type[Net], trial: Trial) -> None:
    """No branch depends on the values of the input, since forward mode and ``vmap`` cannot handle that."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    with Readings([x] if context is None else [x, context]) as readings:
        subject.outputs(x, context, Draws())
    require(
        not readings.found,
        f"a decision depends on values of the input: {readings.found}; use torch.where instead",
    )


def stays_within_its_reach(kind: type[Net], trial: Trial) -> None:
    """Pixels beyond the declared receptive radius do not change the output.

    The image is made large enough to have such pixels. Outputs at its corners, at the middles of
    its sides and at its centre are compared.
    """
    radius = kind.ready(trial).module.receptive_radius
    if radius is None:
        return
    subject = kind.ready(_enlarged(trial, 2 * radius + 3))
    _, height, width = subject.check.shape
    x = subject.images().requires_grad_()
    y = subject.outputs(x, subject.context(), Draws())["the output"]
    for row, column in itertools.product((0, height // 2, height - 1), (0, width // 2, width - 1)):
        (gradient,) = _gradients([y[:, :, row, column]], [x])
        rows, columns = (torch.arange(height) - row).abs(), (torch.arange(width) - column).abs()
        distance = torch.maximum(rows[:, None], columns)
        furthest = int((distance * (gradient != 0).any(1).any(0)).max())
        require(
            furthest <= radius,
            f"the output depends on pixels {furthest} away, but the declared receptive radius is {radius}",
        )


def _gradients(values: Sequence[Tensor], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the gradients of a function of all values; zeros for tensors that it does not depend on."""
    total = torch.stack([(value * draw_noise(value)).sum() for value in values]).sum()
    if not total.requires_grad:
        return [torch.zeros_like(each) for each in inputs]
    return torch.autograd.grad(total, inputs, retain_graph=True, materialize_grads=True)


def _enlarged(trial: Trial, size: int) -> Trial:
    """Return the trial with images, and contexts, a whole number of times as large, of ``size`` at least."""
    times = -(-size // min(trial.check.shape[1:]))

    def enlarge(shape: Shape) -> Shape:
        return shape[0], times * shape[1], times * shape[2]

    context = trial.check.context_shape
    return trial.with_check(
        shape=enlarge(trial.check.shape), context_shape=None if context is None else enlarge(context)
    )


def variants_of(trial: Trial) -> list[Trial]:
    """Return the trials of all variants that the builder accepts; it must accept at least one."""
    contexts = {trial.check.context_shape, None}
    wanted = [
        replace(trial.with_check(context_shape=context), timed=timed)
        for context in contexts
        for timed in (False, True)
    ]
    found: list[Trial] = []
    refusals: list[str] = []
    for variant in wanted:
        try:
            variant.build()
        except FlowzooError as refusal:
            refusals.append(str(refusal))
        else:
            found.append(variant)
    require(bool(found), f"cannot be built at all: {'; '.join(refusals)}")
    return found
