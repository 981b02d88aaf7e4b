"""A plugin whose bijector trains in any phases and remembers what it has trained on."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.call import EVALUATION, Call
from flowzoo.cascade import CascadeOptions, cascade_model
from flowzoo.component import BijectorSpec, Builder, Component, Spec
from flowzoo.errors import NumericalError
from flowzoo.hooks import API_VERSION, hookimpl
from flowzoo.level import Level
from flowzoo.shapes import Images, PerImage, Shape

flowzoo_api_version = API_VERSION


@hookimpl
def flowzoo_components() -> list[Component]:
    here = "tests.training.phased"
    return [
        Component(kind="bijector", name="phased", build=f"{here}:build_phased", summary="a toy"),
        Component(kind="model", name="phased-cascade", build=f"{here}:build_cascade", summary="a toy"),
    ]


class Phased(ConditionalBijector):
    """``z = exp(s) x + b`` for every value, started where it is bad; its loss grows from batch to batch.

    In a phase named ``spoil`` it maximises what it should minimise, in one named ``diverge`` it fails.
    """

    def __init__(self, shape: Shape, phases: tuple[Phase, ...]) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.full(shape, 0.7))
        self.b = nn.Parameter(torch.ones(shape))
        self.phases = phases

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        return x * self.s.exp() + self.b, self.s.sum().repeat(len(x))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return (z - self.b) * (-self.s).exp()

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        remembered = call.solver.recall(self, "batches") or 0
        call.solver.keep(self, "batches", remembered + 1)
        call.count(f"phase {call.solver.phase}", 1)
        call.count("remembered", remembered)
        if call.solver.phase == "diverge":
            raise NumericalError("a solver did not get to the end")
        sign = -1.0 if call.solver.phase == "spoil" else 1.0
        return sign * super().loss(x, context, call) + 0.5 * remembered * self.b.sum()


def build_phased(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    phases: Annotated[str, Field(description="name:share:rate, separated by blanks")] = "",
) -> Phased:
    parts = (each.split(":") for each in phases.split())
    return Phased(shape, tuple(Phase(name, float(share), float(rate)) for name, share, rate in parts))


def build_cascade(
    image_shape: Shape,
    builder: Builder,
    *,
    bijector: BijectorSpec = Spec("phased"),
    last: BijectorSpec = Spec("phased"),
) -> list[Level]:
    return cascade_model(
        image_shape,
        builder,
        options=CascadeOptions(
            levels=2,
            transform=Spec("haar"),
            split=Spec("keep-first-channels", divisor=4),
            bijector=bijector,
            last=last,
        ),
    )
