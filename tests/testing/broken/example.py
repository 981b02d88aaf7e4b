"""What can be broken in a sound component of any kind, and how it is done."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from flowzoo.component import Check, Component, Kind
from flowzoo.exactness import Exactness
from flowzoo.testing import Trial

Make = Callable[[Trial], Any]
Break = Callable[[Any], Any]
"""From a sound component to a broken one; it may change what it gets."""

SHARED = nn.Parameter(torch.ones(2))
"""One parameter for everything that is built."""

Breaks = Mapping[str, tuple[str, Break]]
"""By what is wrong: the check that must find it, and how it is done."""


@dataclass(frozen=True)
class Example:
    """A sound component of a kind, and the ways in which it can be broken."""

    kind: Kind
    make: Make
    breaks: Breaks
    exact: bool = True
    build: str = "tests.testing.broken.example:build_flavoured"
    name: str = ""
    check: Check = Check(shape=(2, 2, 2))  # noqa: RUF009 - frozen
    example: str = ""

    def trial(self, break_it: Break = lambda built: built) -> Trial:
        """Return the trial of the sound component, or of the broken one."""
        dataset = self.kind == "dataset"
        component = Component(
            kind=self.kind,
            name=self.name or ("digits" if dataset else "toy"),
            build=self.build if self.name or not dataset else "flowzoo.data.digits:build_digits",
            summary="A toy.",
            exact=self.exact,
            check=self.check,
            example=self.example,
        )
        return Trial(component, lambda trial: break_it(self.make(trial)))


def build_flavoured(*, flavour: Literal["plain", "other"] = "plain") -> None:
    """Stand in for a builder: what has options can be broken under one of them."""


def flavoured(make: Make) -> Make:
    """Return a maker of the same components that notes the option."""

    def make_flavoured(trial: Trial) -> Any:
        built = make(trial)
        built.flavour = trial.check.options.get("flavour", "plain")
        return built

    return make_flavoured


def under_option(break_it: Break) -> Break:
    """Return a break of the component under another option than the default."""
    return lambda built: break_it(built) if built.flavour == "other" else built


def before(method: str, change: Callable[[Tensor], Tensor]) -> Break:
    """Return a break that changes a method's first argument."""

    def break_it(built: Any) -> Any:
        original = getattr(built, method)
        setattr(built, method, lambda first, *others: original(change(first), *others))
        return built

    return break_it


def after(method: str, change: Callable[..., Any]) -> Break:
    """Return a break that changes a method's result: ``change(result, *arguments)``."""

    def break_it(built: Any) -> Any:
        original = getattr(built, method)
        setattr(built, method, lambda *arguments: change(original(*arguments), *arguments))
        return built

    return break_it


def instead(method: str, other: Callable[..., Any]) -> Break:
    """Return a break that calls ``other(component, *arguments)`` instead of a method."""

    def break_it(built: Any) -> Any:
        setattr(built, method, lambda *arguments: other(built, *arguments))
        return built

    return break_it


def in_part(part: Callable[[Any], Any], break_it: Break) -> Break:
    """Return a break of a part of the component."""

    def break_part(built: Any) -> Any:
        break_it(part(built))
        return built

    return break_part


def common_breaks(method: str, tensor: Callable[[Any, Callable[[Tensor], Tensor]], Any]) -> Breaks:
    """Return what can be broken in anything that maps images.

    Args:
        method: That maps them.
        tensor: Applies a function to a tensor in the method's result.
    """

    def secret(built: Any) -> Any:
        value = torch.rand(()).item()
        return after(method, lambda result, *_: tensor(result, lambda y: y + value))(built)

    def counter(built: Any) -> Any:
        calls: list[None] = []

        def drift(result: Any, *_: Any) -> Any:
            calls.append(None)
            return tensor(result, lambda y: y * (1 + 1e-6 * len(calls)))

        return after(method, drift)(built)

    def dead(built: Any) -> Any:
        built.dead = nn.Parameter(torch.ones(2))
        return built

    def drawing(result: Any, *_: Any) -> Any:
        torch.rand(1)
        return result

    def leak(result: Any, *_: Any) -> Any:
        return tensor(result, lambda y: y - y.mean(0, keepdim=True))

    def changed(change: Callable[[Tensor], Tensor]) -> Break:
        return after(method, lambda result, *_: tensor(result, change))

    def by_mode(built: Any) -> Any:
        return changed(lambda y: y * (1.01 if built.training else 1.0))(built)

    def with_lock(built: Any) -> Any:
        built.lock = threading.Lock()
        return built

    def with_graph(built: Any) -> Any:
        built.last = torch.ones(1, requires_grad=True).exp()
        return built

    def with_local_function(built: Any) -> Any:
        built.activation = lambda x: x
        return built

    def keeping_tensors(built: Any) -> Any:
        kept: list[Tensor] = []
        return after(method, lambda result, x, *_: (kept.append(x + 1), result)[1])(built)

    def keeping_numbers(built: Any) -> Any:
        built.sizes = []
        return after(method, lambda result, x, *_: (built.sizes.append(len(x)), result)[1])(built)

    def remembering(built: Any) -> Any:
        known: dict[Any, Any] = {}
        return after(method, lambda result, x, *_: known.setdefault(x.shape, result))(built)

    def reusing(built: Any) -> Any:
        space: dict[Any, Tensor] = {}

        def reuse(y: Tensor) -> Tensor:
            return space.setdefault(y.shape, torch.empty_like(y)).copy_(y)

        return changed(reuse)(built)

    def seeding(seed: Callable[[int], object]) -> Break:
        return after(method, lambda result, *_: (seed(0), result)[1])

    def sharing(built: Any) -> Any:
        built.shared = SHARED
        return built

    def seeded_at_creation(built: Any) -> Any:
        torch.manual_seed(0)
        return built

    def stale(built: Any) -> Any:
        """Keep a number that was computed from the first parameters, as an inverted matrix may be."""
        scale = nn.Parameter(torch.ones(1))
        built.register_parameter("stale", scale)
        known: list[Tensor] = []

        def scaled(y: Tensor) -> Tensor:
            known[:] = known or [scale.detach().clone()]
            return y * known[0]

        return changed(scaled)(built)

    def on_more_threads(built: Any) -> Any:
        torch.set_num_threads(torch.get_num_threads() + 1)
        return built

    return {
        "old weights are remembered": ("new-weights", stale),
        "the number of threads is set": ("global-random-state", on_more_threads),
        "a batch of one is squeezed": (
            "images-apart",
            changed(lambda y: y.squeeze(0)),
        ),
        "large batches are computed in another way": (
            "images-apart",
            changed(lambda y: y * (1.0 if len(y) <= 3 else 1.01)),
        ),
        "half of the gradient is cut": (
            "gradient-slopes",
            changed(lambda y: 0.5 * y + 0.5 * y.detach()),
        ),
        "the order in memory is taken for granted": ("layouts", before(method, as_if_contiguous)),
        "the input is written into": ("inputs-unchanged", before(method, lambda x: x.add_(1e-3))),
        "results lie in the space of earlier ones": ("inputs-unchanged", reusing),
        "module.train() changes the result": ("module-modes", by_mode),
        "a lock is kept": ("copies", with_lock),
        "a tensor with a graph is kept": ("copies", with_graph),
        "a local function is kept": ("copies", with_local_function),
        "tensors are kept": ("growth", keeping_tensors),
        "numbers are kept on the module": ("growth", keeping_numbers),
        "the CPU is written into the code": (
            "other-device",
            changed(lambda y: y + torch.zeros(y.shape, dtype=y.dtype)),
        ),
        "NumPy is used": (
            "other-device",
            changed(lambda y: y + torch.as_tensor(np.zeros_like(y.detach().numpy())).to(y)),
        ),
        "a constant is in single precision": ("double-precision", changed(lambda y: y * torch.tensor(1.1))),
        "single precision is used in between": (
            "double-precision",
            changed(lambda y: (1.1 * y).float().to(y)),
        ),
        "an earlier result is given again": ("repeatable", remembering),
        "Python's random numbers are used": (
            "global-random-state",
            changed(lambda y: y + 1e-3 * random.random()),
        ),
        "torch's generator is seeded": ("global-random-state", seeding(torch.manual_seed)),
        "NumPy's generator is seeded": ("global-random-state", seeding(np.random.seed)),
        "Python's generator is seeded": ("global-random-state", seeding(random.seed)),
        "torch's generator is seeded at creation": ("global-random-state", seeded_at_creation),
        "all that are built share a parameter": ("state", sharing),
        "an image depends on the others": ("images-apart", after(method, leak)),
        "a parameter is not used": ("gradients", dead),
        "a result is always in float32": (
            "dtype-and-device",
            after(method, lambda result, *_: tensor(result, lambda y: y.float())),
        ),
        "a random number is not saved": ("state", secret),
        "results depend on the calls before": ("repeatable", counter),
        "the global generator is used": ("global-random-state", after(method, drawing)),
    }


def as_if_contiguous(x: Tensor) -> Tensor:
    """Read a tensor's memory from its start, as code does that takes it to be contiguous."""
    values = x.as_strided((x.numel(),), (1,)) if x.untyped_storage().nbytes() >= x.nbytes else x.reshape(-1)
    return values.reshape(x.shape)


def estimating(bias: float) -> Break:
    """Return a break that adds noise to log_det, of mean ``bias``, unless the exact value is requested."""

    def estimate(result: tuple[Tensor, Tensor], *given: Any) -> tuple[Tensor, Tensor]:
        call = given[-1]
        if call.solver.exact:
            return result
        return result[0], result[1] + 0.01 * call.normal(result[1]) + bias

    return after("forward", estimate)


def said_to_be(exactness: Exactness, break_it: Break) -> Break:
    """Return a break of a component that claims another exactness."""
    return lambda built: in_its_traits(exactness=exactness, exact_on_request=True)(break_it(built))


def bijection_breaks() -> Breaks:
    """Return what can be broken in a transform, a bijector or a model's pixel transform."""

    def initialised_again(built: Any) -> Any:
        offset: list[float] = [0.0]

        def shift(result: Any, *arguments: Any) -> Any:
            if arguments[-1].mode == "initialise":
                offset[0] = arguments[0].mean().item()
            return result[0] + offset[0], result[1]

        return after("forward", shift)(built)

    def log_det(change: Callable[[Tensor], Tensor]) -> Break:
        return after("forward", lambda result, *_: (result[0], change(result[1])))

    def first(result: tuple[Tensor, Tensor], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        return change(result[0]), result[1]

    return {
        **common_breaks("forward", first),
        "log_det has the wrong sign": ("log-det", log_det(torch.neg)),
        "log_det misses a constant": ("log-det", log_det(lambda value: value + 1e-3)),
        "log_det is an estimate and said to be exact": ("log-det", estimating(0.0)),
        "log_det is a biased estimate": ("log-det", said_to_be(Exactness.UNBIASED, estimating(0.1))),
        "log_det is said to be a bound": ("log-det", said_to_be(Exactness.BOUND, lambda built: built)),
        "log_det is one number for all images": ("shapes", log_det(torch.mean)),
        "log_det is always in float32": ("dtype-and-device", log_det(lambda value: value.float())),
        "there is no inverse": ("round-trip", instead("inverse", lambda _, y, *others: 2 * y)),
        "the inverse is a little off": ("round-trip", after("inverse", lambda x, *_: x + 1e-6)),
        "state is taken from data again": ("first-pass", initialised_again),
        "log_det is wrong in training": (
            "log-det",
            after("forward", lambda r, *given: (r[0], r[1] + 1e-3 * given[-1].training)),
        ),
    }


def everywhere_breaks() -> Breaks:
    """Return what can be broken in a transform or bijector where its own trial does not look."""
    off = after("inverse", lambda x, *_: x + 1e-3)

    def high(x: Tensor) -> float:
        return 1e-3 * (x.shape[2] != x.shape[3])

    return {
        "the inverse ends at 2": ("far-values", after("inverse", lambda x, *_: x.clamp(-2.0, 2.0))),
        "values far out overflow": (
            "far-values",
            after("forward", lambda r, x, *_: (r[0] + 0 * x.exp().square().square().sum(), r[1])),
        ),
        "the inverse is wrong where images are not square": (
            "other-shapes",
            after("inverse", lambda x, *_: x + high(x)),
        ),
        "the inverse is wrong under another option": ("other-options", under_option(off)),
    }


def in_its_traits(**changes: Any) -> Break:
    """Return a break that declares other traits than the component has."""

    def declare(built: Any) -> Any:
        traits = replace(built.traits, **changes)
        built.__class__ = type(type(built).__name__, (type(built),), {"traits": traits})
        return built

    return declare


def declared(attribute: str, value: Any) -> Break:
    def declare(built: nn.Module) -> nn.Module:
        setattr(built, attribute, value)
        return built

    return declare
