"""One library's side of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowzoo.call import Call
from flowzoo.flow import Flow

OURS = "flowzoo"


@dataclass(frozen=True)
class Side:
    """A library's model of images.

    Attributes:
        library: The distribution's name.
        module: Holds the parameters.
        log_prob: Maps images, ``(B, C, H, W)``, to log-likelihoods, ``(B,)``, in nats of a whole image.
        sample: Draws so many images.
        loss: What a training step minimises, ``()`` in nats; by default the mean of ``-log_prob``.
    """

    library: str
    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], Tensor]
    loss: Callable[[Tensor], Tensor] | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those that train."""
        return [each for each in self.module.parameters() if each.requires_grad]

    @property
    def shapes(self) -> dict[str, int]:
        """How many of them have a shape, sides of length 1 left out: ``{"64x6x3x3": 8}``."""
        sizes = ([size for size in each.shape if size > 1] for each in self.parameters)
        return dict(sorted(Counter("x".join(map(str, size)) for size in sizes).items()))

    def training_loss(self, x: Tensor) -> Tensor:
        return self.loss(x) if self.loss is not None else -self.log_prob(x).mean()


def flowzoo_side(flow: Flow) -> Side:
    """Return flowzoo's side, which trains as its trainer does: on the sum of its levels' losses."""

    call = Call(mode="train").seeded()

    def loss(x: Tensor) -> Tensor:
        return torch.stack(flow.loss(x, call)).sum(0).mean()

    return Side(OURS, flow, flow.log_prob, lambda count: flow.sample(count, seed=0), loss)
