"""Sound components, and what can be broken in each so that one of its checks has to find it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.stack import Stack
from flowzoo.component import Check, Component, Kind
from flowzoo.data.dataset import Dataset, ImageSource
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.network import Network, Prepared
from flowzoo.registry.build import build_component
from flowzoo.registry.models import create_model
from flowzoo.run import EVALUATION, Run
from flowzoo.shapes import Shape
from flowzoo.testing import Trial
from flowzoo.transform import ResolutionTransform
from tests.toys import Wave

Make = Callable[[Trial], Any]
Break = Callable[[Any], Any]
"""From a sound component to a broken one; it may change what it gets."""

Breaks = Mapping[str, tuple[str, Break]]
"""By what is wrong: the check that must find it, and how it is done."""


@dataclass(frozen=True)
class Example:
    """A sound component of a kind, and the ways in which it can be broken."""

    kind: Kind
    make: Make
    breaks: Breaks
    exact: bool = True
    check: Check = Check(shape=(2, 2, 2))  # noqa: RUF009 - frozen

    def trial(self, break_it: Break = lambda built: built) -> Trial:
        """Return the trial of the sound component, or of the broken one."""
        dataset = self.kind == "dataset"
        component = Component(
            kind=self.kind,
            name="digits" if dataset else "toy",
            build="flowzoo.data.digits:build_digits" if dataset else "tests.toys:Wave",
            summary="A toy.",
            exact=self.exact,
            check=self.check,
        )
        return Trial(component, lambda trial: break_it(self.make(trial)))


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

    return {
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
        "log_det is one number for all images": ("shapes", log_det(torch.mean)),
        "log_det is always in float32": ("dtype-and-device", log_det(lambda value: value.float())),
        "there is no inverse": ("round-trip", instead("inverse", lambda _, y, *others: 2 * y)),
        "the inverse is a little off": ("round-trip", after("inverse", lambda x, *_: x + 1e-6)),
        "state is taken from data again": ("first-pass", initialised_again),
    }


# Bijectors


def sound_bijector(_: Trial) -> Stack:
    return Stack([ActNorm(2), Wave()])


def likelihood_without_gradient(stack: Stack) -> Stack:
    def cut(result: tuple[Tensor, Tensor], x: Tensor, context: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        return result if run.training else (result[0].detach(), result[1])

    return after("forward", cut)(stack)


def used_before_initialised(stack: Stack) -> Stack:
    stack.parts[0].first_pass.require = lambda: None
    return stack


def unsaved_flag(stack: Stack) -> Stack:
    """ActNorm re-initialises after a load: the classic."""
    norm = stack.parts[0]

    def forget(x: Tensor, context: Tensor | None = None, run: Run = EVALUATION) -> tuple[Tensor, Tensor]:
        if run.mode == "initialise":
            norm.first_pass = FirstPass("actnorm")
        return ActNorm.forward(norm, x, context, run)

    norm.forward = forget
    return stack


def without_context(method: str) -> Break:
    return instead(
        method, lambda stack, x, context=None, run=EVALUATION: getattr(Stack, method)(stack, x, None, run)
    )


def shared_context(stack: Stack) -> Stack:
    def mixed(stack: Stack, x: Tensor, context: Tensor, run: Run) -> tuple[Tensor, Tensor]:
        return Stack.forward(stack, x, context.flip(0), run)

    return instead("forward", mixed)(stack)


def no_loss_gradient(stack: Stack) -> Stack:
    return after("loss", lambda loss, x, *_: loss.detach() + 0 * x.sum())(stack)


BIJECTOR = Example(
    "bijector",
    sound_bijector,
    {
        **bijection_breaks(),
        "the loss has no gradient": ("gradients", no_loss_gradient),
        "the likelihood has no gradient": ("gradients", likelihood_without_gradient),
        "the loss uses the global generator": (
            "global-random-state",
            after("loss", lambda loss, *_: loss + 0 * torch.rand(1)),
        ),
        "it can be used before it is initialised": ("first-pass", used_before_initialised),
        "it initialises itself again after loading": ("first-pass", unsaved_flag),
        "the context is ignored": ("context", without_context("forward")),
        "the inverse ignores the context": ("round-trip", without_context("inverse")),
        "images see one another's contexts": ("images-apart", shared_context),
        "the output has another shape": ("shapes", after("forward", lambda r, *_: (r[0].mT[:, :1], r[1]))),
        "it raises": ("shapes", instead("forward", lambda *_: [][0])),
        "earlier shares are lost": (
            "shares",
            after("forward_with_shares", lambda r, x, s, *_: (r[0], r[1] - s)),
        ),
        "shares do not sum to log_det": (
            "shares",
            after("forward_with_shares", lambda r, *_: (r[0], r[1] + 1e-3)),
        ),
    },
    check=Check(shape=(2, 2, 2), context_shape=(1, 4, 4)),
)


# Transforms


def declared(attribute: str, value: bool | int) -> Break:
    def declare(built: nn.Module) -> nn.Module:
        setattr(built, attribute, value)
        return built

    return declare


class Pyramid(ResolutionTransform):
    """A stochastic transform: puts a noisy copy in front of the image, and drops it again."""

    def forward(self, x: Tensor, run: Run = EVALUATION) -> tuple[Tensor, Tensor]:
        noise = run.normal(x)
        return torch.cat([x + noise, x], dim=1), 0.5 * noise.square().flatten(1).sum(1)

    def inverse(self, y: Tensor, run: Run = EVALUATION) -> Tensor:
        return y.chunk(2, dim=1)[1]

    def output_shape(self, shape: Shape) -> Shape:
        return 2 * shape[0], shape[1], shape[2]


def fixed_draws(pyramid: Pyramid, x: Tensor, run: Run) -> tuple[Tensor, Tensor]:
    return Pyramid.forward(pyramid, x, EVALUATION)


TRANSFORM = Example(
    "transform",
    lambda _: BlockMean(0.5),
    {
        **bijection_breaks(),
        "it mixes values and declares to move them": ("permutation", declared("permutes", True)),
        "the stated shape is another": ("shapes", instead("output_shape", lambda _, shape: shape)),
    },
)
STOCHASTIC = Example(
    "transform",
    lambda _: Pyramid(),
    {
        **{name: each for name, each in bijection_breaks().items() if each[0] != "log-det"},
        "the inverse keeps the noisy copy": (
            "round-trip",
            instead("inverse", lambda _, y, run: y.chunk(2, dim=1)[0]),
        ),
        "nothing is drawn": ("log-det", instead("forward", fixed_draws)),
        "log_det is infinite": ("log-det", after("forward", lambda r, *_: (r[0], r[1] / 0))),
    },
    exact=False,
)


# Splits


def random_permutation(split: KeepFirstChannels) -> KeepFirstChannels:
    """Draw a permutation at creation, and do not save it."""
    order = torch.randperm(4)
    plain_split, plain_merge = split.split, split.merge
    split.split = lambda y: plain_split(y[:, order])
    split.merge = lambda kept, factored: plain_merge(kept, factored)[:, order.argsort()]
    return split


def on_factored(result: tuple[Tensor, Tensor], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    return result[0], change(result[1])


def rolled_by_place(result: tuple[Tensor, Tensor], *_: Any) -> tuple[Tensor, Tensor]:
    return result[0], torch.stack([part.roll(place, 0) for place, part in enumerate(result[1])])


SPLIT = Example(
    "split",
    lambda _: KeepFirstChannels(2),
    {
        **common_breaks("split", on_factored),
        "what gathers scores factors out": (
            "unscored",
            instead("unscored", lambda _: KeepFirstChannels(2)),
        ),
        "values are lost": ("shapes", after("split", lambda r, _: (r[0], r[1][:, :1]))),
        "a value is in both parts": (
            "permutation",
            after("split", lambda r, _: (r[0], r[1] * 0 + r[0][:, :1])),
        ),
        "images are split differently": ("permutation", after("split", rolled_by_place)),
        "merging mixes up the parts": ("round-trip", after("merge", lambda y, *_: y.flip(1))),
        "a permutation is not saved": ("state", random_permutation),
    },
    check=Check(shape=(4, 2, 2)),
)


# Networks


class ToyNetwork(Network):
    """One convolution over image, time and the mean of the context."""

    reach = 1

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.timed = trial.timed
        channels = trial.check.shape[0]
        given = 0 if trial.check.context_shape is None else trial.check.context_shape[0]
        self.conv = nn.Conv2d(channels + given + trial.timed, channels + 1, 3, padding=1)

    def forward(self, x: Tensor, context: Tensor | None = None, time: Tensor | None = None) -> Tensor:
        planes = [x]
        if context is not None:
            planes.append(context.mean((2, 3), keepdim=True).expand(-1, -1, *x.shape[2:]))
        if time is not None:
            planes.append(time.reshape(-1, 1, 1, 1).expand(len(x), 1, *x.shape[2:]))
        return torch.tanh(self.conv(torch.cat(planes, 1)))


def unused_input(place: int) -> Break:
    """Return a break that makes a network ignore its context (1) or its time (2), but not its parameters."""

    def forward(net: ToyNetwork, *inputs: Tensor | None) -> Tensor:
        changed = [
            each if i != place or each is None else torch.zeros_like(each) for i, each in enumerate(inputs)
        ]
        return ToyNetwork.forward(net, *changed)

    return instead("forward", forward)


def same_size_only(net: ToyNetwork) -> ToyNetwork:
    def forward(
        net: ToyNetwork, x: Tensor, context: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        assert context is None or context.shape[2:] == x.shape[2:]
        return ToyNetwork.forward(net, x, context, time)

    return instead("forward", forward)(net)


def one_time_only(net: ToyNetwork) -> ToyNetwork:
    def forward(
        net: ToyNetwork, x: Tensor, context: Tensor | None = None, time: Tensor | None = None
    ) -> Tensor:
        return ToyNetwork.forward(net, x, context, None if time is None else time.flatten()[:1] + time.ndim)

    return instead("forward", forward)(net)


def prepared(break_it: Break) -> Break:
    """Return a break of what a network prepares."""
    return after("prepare", lambda built, *_: break_it(built))


def pushed(method: str, change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Break:
    """Return a break of what a prepared network's ``push`` or ``push_many`` returns."""
    return prepared(after(method, lambda result, *_: change(*result)))


def next_context(net: ToyNetwork, context: Tensor | None, like: Tensor) -> Prepared:
    return Prepared(net, None if context is None else context.roll(1, 0))


def first_tangent_for_all(built: Prepared, x: Tensor, tangents: Tensor, time: float) -> tuple[Tensor, Tensor]:
    return Prepared.push_many(built, x, tangents[:, :1], time)


def own_tangents_only(built: Prepared, x: Tensor, tangents: Tensor, time: float) -> tuple[Tensor, Tensor]:
    assert tangents.shape[1:] == x.shape
    return Prepared.push_many(built, x, tangents, time)


def wrapped_around(net: ToyNetwork) -> ToyNetwork:
    net.conv.padding_mode = "circular"
    return net


def far_reach(net: ToyNetwork) -> ToyNetwork:
    """Look at the whole image, and declare a reach that only a larger image than the trial's can refute."""
    net.reach = 5
    return after("forward", lambda y, x, *_: y + x.mean((1, 2, 3), keepdim=True))(net)


NETWORK = Example(
    "network",
    ToyNetwork,
    {
        **common_breaks("forward", lambda result, change: change(result)),
        "the number of channels is another": ("shapes", after("forward", lambda y, *_: y[:, 1:])),
        "the context is ignored": ("context", unused_input(1)),
        "a context of another size is refused": ("context", same_size_only),
        "the time is ignored": ("time", unused_input(2)),
        "one time is not as good as the same for each": ("time", one_time_only),
        "what is prepared has another context": ("push", instead("prepare", next_context)),
        "push gives another value": ("push", pushed("push", lambda y, product: (2 * y, product))),
        "push gives another product": ("push", pushed("push", lambda y, product: (y, 2 * product))),
        "push's value has no gradient": ("push", pushed("push", lambda y, product: (y.detach(), product))),
        "push's product has no gradient": ("push", pushed("push", lambda y, product: (y, product.detach()))),
        "tangents are mixed up": ("push", pushed("push_many", lambda y, products: (y, products.flip(0)))),
        "the first image's tangents stand for all": (
            "push",
            prepared(instead("push_many", first_tangent_for_all)),
        ),
        "shared tangents are refused": ("push", prepared(instead("push_many", own_tangents_only))),
        "the reach is further than declared": ("reach", declared("reach", 0)),
        "the image is wrapped around": ("reach", wrapped_around),
        "the reach has no end": ("reach", far_reach),
    },
    check=Check(shape=(2, 4, 4), context_shape=(1, 4, 4)),
)


# Models


class Centre(ConditionalBijector):
    """The pixel transform of the toy model: what is broken in it is broken in the model."""

    def forward(
        self, x: Tensor, context: Tensor | None = None, run: Run = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        return 2 * x - 1, x.new_full((len(x),), x[0].numel() * math.log(2))

    def inverse(self, z: Tensor, context: Tensor | None = None, run: Run = EVALUATION) -> Tensor:
        return (z + 1) / 2


def sound_model(trial: Trial) -> Flow:
    fine = Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), Stack([ActNorm(3), Wave()]))
    last = Level(
        IdentityTransform(), IdentityBijector(), KeepNothing(), Stack([ActNorm(1), Wave(conditional=False)])
    )
    flow = Flow(trial.check.shape, [fine, last], Centre())
    # Borrowed from a registered model: only the check of saving rebuilds it.
    flow.recipe = create_model("gaussian", trial.check.shape, pixels="identity", seed=0).recipe
    return flow


def registered_model(trial: Trial) -> Flow:
    return create_model("gaussian", trial.check.shape, seed=torch.initial_seed() % 2**63)


def unseeded(flow: Flow) -> Flow:
    original = flow.sample
    flow.sample = lambda n, temperature=1.0, seed=None: original(n, temperature)
    return flow


def always_the_same(flow: Flow) -> Flow:
    original = flow.sample
    flow.sample = lambda n, temperature=1.0, seed=None: original(n, temperature, 0)
    return flow


def one_image_again(flow: Flow) -> Flow:
    original = flow.sample
    flow.sample = lambda n, temperature=1.0, seed=None: original(1, temperature, seed).expand(n, -1, -1, -1)
    return flow


def globally_seeded(flow: Flow) -> Flow:
    original = flow.sample

    def sample(n: int, temperature: float = 1.0, seed: int | None = None) -> Tensor:
        torch.manual_seed(seed or 0)
        return original(n, temperature, seed)

    flow.sample = sample
    return flow


def clamped(flow: Flow) -> Flow:
    def log_prob(flow: Flow, x: Tensor, run: Run = EVALUATION) -> Tensor:
        return Flow.log_prob(flow, x.nan_to_num().clamp(0, 0.999), run)

    return instead("log_prob", log_prob)(flow)


def draws_at_creation(flow: Flow) -> Flow:
    torch.rand(1)
    return flow


MODEL = Example(
    "model",
    sound_model,
    {
        **{
            what: (check, in_part(lambda flow: flow.pixels, break_it))
            for what, (check, break_it) in bijection_breaks().items()
            if what not in ("a result is always in float32", "log_det is one number for all images")
        },
        "latents are left out": (
            "shapes",
            instead(
                "analyse",
                lambda flow, *given: (Flow.analyse(flow, *given)[0][1:], Flow.analyse(flow, *given)[1]),
            ),
        ),
        "terms do not add up": ("terms", after("log_prob", lambda value, *_: value + 1)),
        "a level's loss is another when computed alone": (
            "level-losses",
            after("level_loss", lambda loss, *_: loss + 1),
        ),
        "255 bins instead of 256": (
            "bits-per-dim",
            after("bits_per_dim", lambda bits, *_: bits - torch.log2(torch.tensor(256 / 255))),
        ),
        "probabilities are twice as large": (
            "probabilities",
            after("bits_per_dim", lambda bits, *_: bits - 0.25),
        ),
        "samples ignore their seed": ("samples", unseeded),
        "samples are all the same": ("samples", one_image_again),
        "samples do not depend on their seed": ("samples", always_the_same),
        "sampling seeds the global generator": ("samples", globally_seeded),
        "values outside [0, 1) are clamped": ("refusals", clamped),
        "creation draws from the global generator": ("creation", draws_at_creation),
    },
    check=Check(shape=(1, 4, 4)),
)
REGISTERED_MODEL = Example(
    "model",
    registered_model,
    {"what is saved is not all": ("save-and-load", after("log_prob", lambda value, *_: value + 1))},
    check=Check(shape=(1, 4, 4)),
)


# Data sets


class Altered(ImageSource):
    """Another source's images, changed."""

    def __init__(self, source: ImageSource, change: Callable[[Tensor], Tensor]) -> None:
        self.source = source
        self.change = change

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: Any) -> Tensor:
        return self.change(self.source.take(indices))


def other_info(**changes: Any) -> Break:
    return lambda dataset: Dataset(replace(dataset.info, **changes), dataset.splits)


def other_images(change: Callable[[Tensor], Tensor]) -> Break:
    return lambda dataset: Dataset(
        dataset.info, {**dataset.splits, "test": Altered(dataset.splits["test"], change)}
    )


def test_on_training_images(dataset: Dataset) -> Dataset:
    sizes = {**dataset.info.sizes, "test": dataset.info.sizes["train"]}
    return Dataset(replace(dataset.info, sizes=sizes), {**dataset.splits, "test": dataset.splits["train"]})


def another_each_time(dataset: Dataset) -> Dataset:
    loads.append(None)
    places = len(loads)
    return other_images(lambda images: images.roll(places, -1))(dataset)


loads: list[None] = []

DATASET = Example(
    "dataset",
    lambda _: build_component("dataset", "digits"),
    {
        "the licence is missing": ("description", other_info(licence=" ")),
        "the sizes are others": ("description", other_info(sizes={"train": 1, "validation": 1, "test": 1})),
        "the pixel transform does not exist": ("description", other_info(pixels={"name": "logti"})),
        "the name is another": ("description", other_info(name="other")),
        "values leave the range": ("integers", other_info(bins=16)),
        "images are floats": ("integers", other_images(lambda images: images.float())),
        "images have another shape": ("integers", other_info(shape=(1, 32, 32))),
        "images come in another order": ("order", other_images(lambda images: images.flip(0).roll(1, 0))),
        "two loads differ": ("repeatable", another_each_time),
        "test images are training images": ("disjoint-splits", test_on_training_images),
    },
)


def raises(_: Any) -> Any:
    raise RuntimeError("a suite that cannot be read")


SUITE = Example("suite", lambda _: object(), {"it cannot be built": ("builds", raises)})


# Metrics


class Brightness(Metric):
    """The mean of samples."""

    def measure(self, trained: Trained) -> Measurement:
        samples = trained.flow.sample(8, seed=trained.seed)
        error = float(samples.std()) / math.sqrt(samples.numel())
        return Measurement(float(samples.mean()), "", error=error, conditions={"samples": 8})


def measured(**changes: Any) -> Break:
    """Return a break that changes fields of what is measured."""
    return after("measure", lambda found, *_: replace(found, **changes))


def without_seed(metric: Brightness, trained: Trained) -> Measurement:
    return replace(Brightness.measure(metric, trained), value=float(trained.flow.sample(8).mean()))


def with_global_draws(metric: Brightness, trained: Trained) -> Measurement:
    with torch.random.fork_rng(devices=[]):
        return replace(Brightness.measure(metric, trained), value=torch.rand(()).item())


METRIC = Example(
    "metric",
    lambda _: Brightness(),
    {
        "it is no metric": ("measures", lambda metric: object()),
        "it measures nothing": ("measures", after("measure", lambda found, *_: found.value)),
        "the value is not finite": ("figure", measured(value=math.nan)),
        "the value is a tensor": ("figure", measured(value=torch.ones(()))),
        "there is no value and no reason": ("figure", measured(value=None)),
        "the error is not finite": ("figure", measured(error=math.inf)),
        "the error is negative": ("figure", measured(error=-1.0)),
        "a figure that is not to be ranked has no objections": ("figure", measured(valid=False)),
        "a figure with objections may be ranked": ("figure", measured(objections=("it is wrong",))),
        "the unit is missing": ("unit", measured(unit=None)),
        "better is no direction": ("unit", measured(better="larger")),
        "a condition is a tensor": ("plain-data", measured(conditions={"mean": torch.ones(())})),
        "a detail is not finite": ("plain-data", measured(details={"worst": math.inf})),
        "a detail's names are numbers": ("plain-data", measured(details={2.5: 1.0})),
        "a detail is a tuple": ("plain-data", measured(details={"curve": (1.0, 2.0)})),
        "a condition has no name": ("plain-data", measured(conditions={"": 1})),
        "it declares to repeat and does not": ("repeatable", instead("measure", without_seed)),
        "it depends on the global generator": ("repeatable", instead("measure", with_global_draws)),
        "the global generator is used": (
            "global-random-state",
            after("measure", lambda found, *_: (torch.rand(1), found)[1]),
        ),
    },
    check=Check(shape=(1, 4, 4)),
)

EXAMPLES = {
    "bijector": BIJECTOR,
    "transform": TRANSFORM,
    "stochastic transform": STOCHASTIC,
    "split": SPLIT,
    "network": NETWORK,
    "model": MODEL,
    "registered model": REGISTERED_MODEL,
    "dataset": DATASET,
    "suite": SUITE,
    "metric": METRIC,
}
