"""Glow's network: three convolutions."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Added, Builder, Call, Images, Network, Shape
from flowzoo_coupling.inputs import bounded, channels_last, input_channels, join_inputs
from flowzoo_coupling.zero_conv import zero_conv


@final
class GlowConv(Network):
    """Convolutions of 3x3, 1x1 and 3x3 with the leaky ReLU between them; the last starts at zero.

    The output grows as fast as the input, so a sample that leaves the range of the data at one place changes
    the scales of its neighbours without bound. ``input_limit`` prevents that: ``x`` and context come in as
    ``limit tanh(x / limit)``.

    Args:
        channels: Number of input channels, with those of context and time.
        output_channels: Number of channels of the result.
        hidden: Number of channels between the convolutions.
        input_limit: Largest absolute value that an input can have, greater than 0; None: any.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3.3 and appendix B; without its ActNorm layers.
    """

    receptive_radius = 2

    def __init__(
        self, channels: int, output_channels: int, hidden: int = 64, input_limit: float | None = None
    ) -> None:
        super().__init__()
        self.input_limit = input_limit
        self.first = nn.Conv2d(channels, hidden, kernel_size=3, padding=1)
        self.middle = nn.Conv2d(hidden, hidden, kernel_size=1)
        self.last = zero_conv(hidden, output_channels)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        if self.input_limit is not None:
            x = bounded(x, self.input_limit)
            context = None if context is None else bounded(context, self.input_limit)
        h = F.leaky_relu(self.first(channels_last(join_inputs(x, context, time))), inplace=True)
        y: Images = self.last(F.leaky_relu(self.middle(h), inplace=True))
        return y.contiguous()


def build_glow_conv(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="Number of channels between the convolutions.")] = 64,
    input_limit: Annotated[
        float | None,
        Added(before=None),
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Bound on the absolute values of the input, so that samples stay in the range of the "
            "data. None: no bound.",
        ),
    ] = None,
) -> GlowConv:
    """Build a :class:`GlowConv`."""
    return GlowConv(input_channels(shape, context_shape, timed), output_channels, hidden, input_limit)
