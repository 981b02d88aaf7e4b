"""Bijectors, transforms and flows with a mistake planted in them, each beside what it should be."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.stack import Stack
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import ShapeError
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.level import Level, LevelTerms
from flowzoo.shapes import Images, Shape
from flowzoo.split import SplitPolicy
from flowzoo.traits import BijectorTraits, TransformTraits
from flowzoo.transform import ResolutionTransform

SHAPE = (1, 4, 4)
BINS = 17


@dataclass(frozen=True)
class Mistake:
    """What a :class:`Coupling` gets wrong: by default nothing.

    Attributes:
        log_det: From the right ``log_det``, ``x`` and the coupling to the one that is stated.
        z: From the right ``z`` and ``x`` to the one that is returned.
        inverse: From the right ``x`` and ``z`` to the one that the inverse returns.
        forgetful: Whether the inverse leaves the context out.
    """

    log_det: Callable[[Tensor, Tensor, nn.Module], Tensor] = lambda right, x, coupling: right
    z: Callable[[Tensor, Tensor], Tensor] = lambda right, x: right
    inverse: Callable[[Tensor, Tensor], Tensor] = lambda right, z: right
    forgetful: bool = False


class Coupling(ConditionalBijector):
    """``z_b = x_b exp(s(x_a)) + t(x_a, c)`` on the columns of an image, with a mistake."""

    def __init__(self, mistake: Mistake | None = None, odd: bool = False) -> None:
        super().__init__()
        self.mistake = mistake or Mistake()
        generator = torch.Generator().manual_seed(int(odd))
        self.weight = nn.Parameter(0.7 * torch.randn((2, 3, 3), generator=generator))
        self.first = int(odd)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        given, changed = x[..., self.first :: 2], x[..., 1 - self.first :: 2]
        scale, shift = self._net(given, context)
        z = _woven(given, changed * scale.exp() + shift, self.first)
        log_det = scale.flatten(1).sum(1)
        return self.mistake.z(z, x), self.mistake.log_det(log_det, x, self)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        given, changed = z[..., self.first :: 2], z[..., 1 - self.first :: 2]
        scale, shift = self._net(given, None if self.mistake.forgetful else context)
        x = _woven(given, (changed - shift) * (-scale).exp(), self.first)
        return self.mistake.inverse(x, z)

    def _net(self, given: Images, context: Images | None) -> tuple[Images, Images]:
        channels = given.shape[1]
        kernel = self.weight.to(given).repeat(channels, 1, 1)[:, None]
        out = nn.functional.conv2d(given, kernel, padding=1, groups=channels)
        scale, shift = out[:, ::2].tanh() + 0.3, out[:, 1::2]
        if context is not None:
            shift = shift + context.flatten(1).mean(1).reshape(-1, 1, 1, 1)
        return scale, shift


class Locked(Coupling):
    """A coupling that holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def _woven(given: Images, changed: Images, first: int) -> Images:
    pair = (given, changed) if first == 0 else (changed, given)
    return torch.stack(pair, dim=-1).flatten(-2)


def flow_of(*couplings: ConditionalBijector, conditional: bool = False) -> Flow:
    """Return a flow of one level, or of two where couplings have a context."""
    stack = Stack(couplings)
    if not conditional:
        levels = [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), stack)]
    else:
        levels = [
            Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), stack),
            Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Coupling()),
        ]
    return Flow(SHAPE, levels, Affine(2.0, -1.0), BINS)


class WrongDerivative(torch.autograd.Function):
    """``sinh``, whose derivative says that it is the identity."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sinh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent.clone()


class OldFunction(torch.autograd.Function):
    """``sinh``, right, in the style that forward mode refuses."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sinh()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0].cosh()


class Sinh(ConditionalBijector):
    """``z = sinh(x)``, whose ``log_det`` is as wrong, or as right, as its derivative."""

    def __init__(self, function: Any, honest: bool, detached: bool = False) -> None:
        super().__init__()
        self.function, self.honest, self.detached = function, honest, detached

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        z = self.function(x)
        log_det = x.cosh().log().flatten(1).sum(1) if self.honest else x.new_zeros(len(x))
        return z.detach() if self.detached else z, log_det

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z.asinh()


class Remembering(ConditionalBijector):
    """``z = log |x - 0.1|``, which has no inverse, with one that knows the signs of the last ``x``.

    Args:
        own: Whether the part itself remembers them; otherwise all parts of the class do.
    """

    signs: Tensor | None = None

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.own = own

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        (self if self.own else Remembering).signs = (x - 0.1).detach().sign()
        log_size = (x - 0.1).abs().log()
        return log_size, -log_size.flatten(1).sum(1)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        signs = 1.0 if self.signs is None or self.signs.shape != z.shape else self.signs
        return 0.1 + signs * z.exp()


class ChangesContext(Coupling):
    """Halves its context, with which the next level goes on."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        assert context is not None
        context.mul_(0.5)
        return super().forward(x, context, call)


class Shrinking(Level):
    """A level whose latents are a tenth of those that its parts compute."""

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images | None, Images, LevelTerms]:
        kept, z, terms = super().forward(x, call)
        gained = standard_normal_log_prob(0.1 * z) - standard_normal_log_prob(z)
        return kept, 0.1 * z, terms._replace(conditional=terms.conditional + gained)

    def inverse(self, kept: Images | None, z: Images, call: Call = EVALUATION) -> Images:
        return super().inverse(kept, 10.0 * z, call)


def shrinking() -> Flow:
    """Return a flow of one such level."""
    level = Shrinking(IdentityTransform(), IdentityBijector(), KeepNothing(), Coupling())
    return Flow(SHAPE, [level], Affine(2.0, -1.0), BINS)


class BatchNorm(ConditionalBijector):
    """Standardises by the statistics of the batch, unless that is one image."""

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        spread = x.std() if len(x) > 1 else x.new_ones(())
        return x / spread, -spread.log().repeat(len(x)) * x[0].numel()

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z


class Estimated(ConditionalBijector):
    """``z = a x`` for a random matrix ``a`` near the identity, its ``log_det`` estimated by a probe."""

    traits = BijectorTraits(exactness=Exactness.UNBIASED, exact_on_request=True)

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.rate = nn.Parameter(0.4 * torch.randn((16, 16), generator=generator) / 4 + 0.5 * torch.eye(16))
        self.factor = factor

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        z = (x.flatten(1) @ torch.matrix_exp(self.rate).T).reshape(x.shape)
        call.note("trace", "exact" if call.solver.exact else "hutchinson, rademacher probes")
        if call.solver.exact:
            return z, self.rate.trace().repeat(len(x))
        probe = call.rademacher(x).flatten(1)
        return z, self.factor * ((probe @ self.rate) * probe).sum(1)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return (z.flatten(1) @ torch.matrix_exp(-self.rate).T).reshape(z.shape)


class Drawn(ResolutionTransform):
    """Puts a drawn copy of the image's mean in front of it, as one more channel, with a mistake."""

    traits = TransformTraits(Exactness.BOUND, stochastic=True)

    def __init__(
        self,
        factor: float = 1.0,
        kept: bool = False,
        width: float = 0.3,
        own: bool = False,
        folded: bool = False,
    ) -> None:
        super().__init__()
        self.factor, self.kept, self.width, self.own, self.folded = factor, kept, width, own, folded

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, Tensor]:
        like = x[:, :1]
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(like.shape, generator=generator).to(like) if self.own else call.normal(like)
        values = noise[0].numel()
        log_q = -0.5 * (noise.square().flatten(1).sum(1) + values * math.log(2 * math.pi))
        log_q = log_q - values * math.log(self.width)
        noise = noise.abs() if self.folded else noise
        drawn = x.flatten(1).mean(1).reshape(-1, 1, 1, 1) + self.width * noise
        return torch.cat([drawn, x], dim=1), -self.factor * log_q

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        return y[:, 1:] + (0.1 * y[:, :1] if self.kept else 0.0)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        return channels + 1, height, width


def drawing(transform: ResolutionTransform) -> Flow:
    """Return a flow that draws part of what its levels see."""
    levels = [
        Level(transform, IdentityBijector(), KeepFirst(), Coupling()),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Coupling(odd=True)),
    ]
    return Flow(SHAPE, levels, Affine(2.0, -1.0), BINS)


class KeepFirst(SplitPolicy):
    """Keeps the first channel."""

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        return y[:, :1], y[:, 1:]

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None
        return torch.cat([kept, factored], dim=1)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        return (1, *shape[1:]), (shape[0] - 1, *shape[1:])


class Dropping(SplitPolicy):
    """Forgets a half of what it is given."""

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[None, Images]:
        return None, y[..., ::2]

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        return factored.repeat_interleave(2, dim=-1)

    def shapes(self, shape: Shape) -> tuple[None, Shape]:
        if shape[2] % 2:
            raise ShapeError("an odd width has no half")
        return None, (shape[0], shape[1], shape[2] // 2)


def dropping() -> Flow:
    """Return a flow with half as many latents as pixels."""
    level = Level(IdentityTransform(), IdentityBijector(), Dropping(), IdentityBijector())
    return Flow(SHAPE, [level], Affine(2.0, -1.0), BINS)
