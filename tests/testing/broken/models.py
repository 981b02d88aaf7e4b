"""Sound models, and what can be broken in them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.stack import Stack
from flowzoo.component import Check
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.models import create_model
from flowzoo.run import EVALUATION, Run
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Example,
    after,
    bijection_breaks,
    in_part,
    instead,
)
from tests.toys import Wave


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
            if check != "other-device"
            and what
            not in (
                "a result is always in float32",
                "log_det is one number for all images",
                # The model computes on from its pixels' results, and returns none of them.
                "results lie in the space of earlier ones",
            )
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
