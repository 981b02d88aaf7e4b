"""A bijector for the tests alone: an ODE whose solution is known, solved roughly on steps that it keeps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import EVALUATION, Call
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.shapes import Images
from flowzoo.traits import BijectorTraits


class Pendulum(ConditionalBijector):
    """``dv/dt = sin v`` for one unit of time, by Euler in as many steps as the largest value asks for.

    ``tan(v(1) / 2) = e tan(v(0) / 2)`` is what a tight run gets, and what the inverse solves.
    """

    traits = BijectorTraits(solves=True)

    def __init__(self, fineness: float) -> None:
        super().__init__()
        self.fineness = nn.Parameter(torch.tensor(fineness))
        self.steps: list[tuple[int, int]] = []
        """Of each forward call: images and steps."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        if call.solver.tight:
            call.note("solver", "closed form")
            half = x / 2
            z = 2 * torch.atan(math.e * half.tan()) + _turns(x)
            slope = math.e / (half.cos() ** 2 + (math.e * half.sin()) ** 2)
            return z, slope.log().flatten(1).sum(1)
        steps = call.solver.recall(self, "steps") or math.ceil(float(self.fineness) * float(x.abs().max()))
        call.solver.keep(self, "steps", steps)
        call.note("solver", "euler")
        self.steps.append((len(x), steps))
        v, log_det = x, x.new_zeros(len(x))
        for _ in range(steps):
            log_det = log_det + v.cos().flatten(1).sum(1) / steps
            v = v + v.sin() / steps
        call.solver.find(self, "block 0, forward", {"evaluations": steps, "values": len(x)}, cost=steps)
        return v, log_det

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        call.solver.find(self, "block 0, backward", {"evaluations": 1.0, "energy": 0.5}, cost=1.0)
        return 2 * torch.atan((z / 2).tan() / math.e) + _turns(z)


def _turns(v: Images) -> Images:
    """Return the whole turns that a pendulum has made, which it keeps."""
    return 2 * math.pi * (v / (2 * math.pi)).round()


def pendulum_flow(fineness: float) -> tuple[Flow, Pendulum]:
    """Return a flow for digits that is a pendulum for each pixel, and its bijector."""
    pendulum = Pendulum(fineness)
    level = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), pendulum)
    return Flow((1, 8, 8), [level], Affine(2.0, -1.0), bins=17), pendulum
