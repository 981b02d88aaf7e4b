"""Networks and splits get the call of a pass, so that they can take their state from the first one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import NotInitialisedError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.network import Network
from flowzoo.shapes import Images, Shape
from flowzoo.split import SplitPolicy
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.settings import Settings
from flowzoo_coupling.affine import AffineMap
from flowzoo_coupling.coupling import Coupling
from flowzoo_coupling.partition import Halves
from flowzoo_spline.coupling import SplineCoupling
from flowzoo_spline.rational_quadratic import RationalQuadratic

SHAPE = (2, 2, 2)
SPLINE = RationalQuadratic(2, 12.0)


class Centred(Network):
    """Shifts by the mean of the first data that it sees."""

    shift: Tensor

    def __init__(self, output_channels: int) -> None:
        super().__init__()
        self.output_channels = output_channels
        self.register_buffer("shift", torch.zeros(()))
        self.first_pass = FirstPass("centred")

    def forward(
        self,
        x: Images,
        context: Images | None = None,
        time: Tensor | None = None,
        call: Call = EVALUATION,
    ) -> Images:
        if call.mode == "initialise" and not self.first_pass.done:
            self.shift.copy_(x.mean())
            self.first_pass.finish()
        self.first_pass.require()
        return 0.1 * (x.mean(1, keepdim=True) - self.shift).repeat(1, self.output_channels, 1, 1)


def images() -> Images:
    return torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0))


SOLVED = Settings(
    solver="rk4", steps=1, evaluation_solver="rk4", evaluation_steps=1, evaluation_trace="exact"
)
BIJECTORS: dict[str, Any] = {
    "coupling": lambda: Coupling(Centred(2), Halves(2), AffineMap(2.0)),
    "spline": lambda: SplineCoupling(0, Centred(2 * SPLINE.parameters), SPLINE),
    "cnf": lambda: CNF([Centred(2)], SOLVED),
}


@pytest.mark.parametrize("name", BIJECTORS)
def test_networks_take_their_state_from_the_first_pass(name: str) -> None:
    bijector: ConditionalBijector = BIJECTORS[name]()
    flow = Flow(SHAPE, [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)], Affine())
    with pytest.raises(NotInitialisedError):
        flow.log_prob(images())
    flow.initialise([images()])
    assert bool(flow.log_prob(images()).isfinite().all())
    torch.testing.assert_close(flow.decode(flow.encode(images())), images(), atol=1e-2, rtol=0)


class Ordered(SplitPolicy):
    """Keeps the channel that is brighter in the first data, and factors out the other."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros((), dtype=torch.long))
        self.first_pass = FirstPass("ordered")

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        if call.mode == "initialise" and not self.first_pass.done:
            self.kept.copy_(y.mean((0, 2, 3)).argmax())
            self.first_pass.finish()
        self.first_pass.require()
        return y[:, self.kept][:, None], y[:, 1 - self.kept][:, None]

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None
        pair = [kept, factored]
        return torch.cat(pair if int(self.kept) == 0 else pair[::-1], 1)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        half = (1, *shape[1:])
        return half, half


def test_splits_take_their_state_from_the_first_pass() -> None:
    last = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), IdentityBijector())
    split = Ordered()
    flow = Flow(
        SHAPE, [Level(IdentityTransform(), IdentityBijector(), split, IdentityBijector()), last], Affine()
    )
    x = images() * torch.tensor([0.2, 1.0]).reshape(1, 2, 1, 1)
    with pytest.raises(NotInitialisedError):
        flow.log_prob(x)
    flow.initialise([x])
    assert int(split.kept) == 1
    assert torch.equal(flow.encode(x)[1], x[:, 1:])
    assert torch.equal(flow.decode(flow.encode(x)), x)
