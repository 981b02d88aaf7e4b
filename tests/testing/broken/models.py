"""Sound models, and what can be broken in them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.logit import Logit
from flowzoo.builtin.stack import Stack
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Check
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.models import create_model
from flowzoo.testing import Trial
from tests.testing.broken.example import (
    Break,
    Example,
    after,
    bijection_breaks,
    flavoured,
    in_part,
    instead,
    under_option,
)
from tests.toys import Wave


class Centre(ConditionalBijector):
    """The pixel transform of the toy model: what is broken in it is broken in the model."""

    def forward(
        self, x: Tensor, context: Tensor | None = None, call: Call = EVALUATION
    ) -> tuple[Tensor, Tensor]:
        return 2 * x - 1, x.new_full((len(x),), x[0].numel() * math.log(2))

    def inverse(self, z: Tensor, context: Tensor | None = None, call: Call = EVALUATION) -> Tensor:
        return (z + 1) / 2


def sound_model(trial: Trial) -> Flow:
    channels = trial.check.shape[0]
    fine = Level(
        BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), Stack([ActNorm(3 * channels), Wave()])
    )
    last = Level(
        IdentityTransform(),
        IdentityBijector(),
        KeepNothing(),
        Stack([ActNorm(channels), Wave(conditional=False)]),
    )
    pixels = Logit(0.05) if "pixels" in trial.check.options else Centre()
    flow = Flow(trial.check.shape, [fine, last], pixels, trial.check.options.get("bins", 256))
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
    def log_prob(flow: Flow, x: Tensor, call: Call = EVALUATION) -> Tensor:
        return Flow.log_prob(flow, x.nan_to_num().clamp(0, 0.999), call)

    return instead("log_prob", log_prob)(flow)


def high_only(x: Tensor) -> Tensor:
    return x + 1e-3 * (x.shape[2] != x.shape[3])


def other_bins(flow: Flow) -> Flow:
    """Add what is wrong for other numbers of bins than 256."""
    return after("bits_per_dim", lambda bits, *_: bits + 0.1 * (flow.bins != 256))(flow)


def training_another_level(flow: Flow) -> Flow:
    """Let the loss of the last level depend on the first level's parameters."""

    def more(loss: Tensor, place: int, *_: Any) -> Tensor:
        return loss + place * sum(parameter.sum() for parameter in flow.level(0).parameters())

    return after("level_loss", more)(flow)


def views(flow: Flow) -> Flow:
    """Let a parameter of one level be a part of another one's."""
    fine, last = (flow.level(place).conditional.parts[0] for place in (0, 1))
    last.mean = nn.Parameter(fine.mean.detach()[1:2])
    return flow


def views_of_weights(flow: Flow) -> Flow:
    """Let a buffer be a parameter's memory."""
    flow.level(0).register_buffer("weight", flow.level(0).conditional.parts[1].a.detach())
    return flow


def weights_of_chance(draw: Callable[[], float]) -> Break:
    """Return a break whose weights do not follow from the seed."""

    def break_it(flow: Flow) -> Flow:
        with torch.no_grad():
            flow.level(0).conditional.parts[1].a.add_(0.1 * draw())
        return flow

    return break_it


def draws_at_creation(flow: Flow) -> Flow:
    torch.rand(1)
    return flow


MODEL = Example(
    "model",
    flavoured(sound_model),
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
        # The model adds up its terms in the widest of their formats: only the rounding is left to be seen.
        "log_det is always in float32": (
            "double-precision",
            in_part(lambda flow: flow.pixels, bijection_breaks()["log_det is always in float32"][1]),
        ),
        "latents are always in float32": (
            "dtype-and-device",
            instead(
                "analyse",
                lambda flow, *given: (
                    [latent.float() for latent in Flow.analyse(flow, *given)[0]],
                    Flow.analyse(flow, *given)[1],
                ),
            ),
        ),
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
        "it is wrong where images are not square": (
            "other-shapes",
            in_part(lambda flow: flow.pixels, after("inverse", lambda x, *_: high_only(x))),
        ),
        "it is wrong under another option": (
            "other-options",
            under_option(in_part(lambda flow: flow.pixels, after("inverse", lambda x, *_: x + 1e-3))),
        ),
        "values beyond those of affine pixels are cut": (
            "other-pixels",
            in_part(
                lambda flow: flow.level(0).transform,
                after("inverse", lambda x, *_: x.clamp(-1.5, 1.5)),
            ),
        ),
        "bits are wrong for other bins than 256": ("other-bins", other_bins),
        "a level trains another one": ("separate-levels", training_another_level),
        "two levels' parameters share memory": ("shared-memory", views),
        "a buffer is a parameter's memory": ("shared-memory", views_of_weights),
        "weights are drawn by NumPy": ("creation", weights_of_chance(lambda: np.random.rand())),
        "weights are drawn by Python": ("creation", weights_of_chance(lambda: random.random())),
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
