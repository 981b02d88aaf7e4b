"""The pyramid: an image together with a coarse image that is drawn."""

from __future__ import annotations

from typing import Annotated, Literal, final

import torch
from pydantic import Field

from flowzoo.api import (
    EVALUATION,
    Builder,
    Call,
    Exactness,
    Images,
    OptionError,
    PerImage,
    ResolutionTransform,
    Shape,
    Squeeze,
    TransformTraits,
    require_even,
)
from flowzoo_msflow_image.proposal import Gaussian, Proposal, Uniform


@final
class Pyramid(ResolutionTransform):
    """Puts a coarse image, drawn from a proposal, in front of the squeezed image itself.

        y = [c, squeeze(x)],   c = mean(x) + noise ~ q(c | x),   log_det = -log q(c | x)

    ``(C, H, W)`` to ``(5C, H/2, W/2)``: the coarse image is redundant, so this is not a bijection. For a
    density ``p(c, x)`` of the levels that follow, ``E[p(c, x) / q(c | x)]`` is at most ``p(x)``, and so
    ``E[log p(c, x) + log_det] <= log p(x)``.

    Args:
        proposal: Draws the noise.

    References:
        "Multi-Scale Continuous Normalizing Flows", INNF+ 2021, sections 2.2 and 5, which states the joint
        density without ``q``, and says that it is not a likelihood of the image.
    """

    def __init__(self, proposal: Proposal) -> None:
        super().__init__()
        self.proposal = proposal
        self._squeeze = Squeeze()

    @property
    def traits(self) -> TransformTraits:  # type: ignore[override]  # what is drawn depends on the proposal
        return TransformTraits(Exactness.BOUND, stochastic=True, dequantises=self.proposal.dequantises)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        bands, _ = self._squeeze(x, call)
        mean = bands.unflatten(1, (4, -1)).mean(1)
        noise, log_q = self.proposal.draw(mean, bands, call)
        return torch.cat([mean + noise, bands], dim=1), -log_q

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        return self._squeeze.inverse(y[:, y.shape[1] // 5 :], call)

    def output_shape(self, shape: Shape) -> Shape:
        require_even(shape, "pyramid")
        channels, height, width = shape
        return 5 * channels, height // 2, width // 2


def build_pyramid(
    shape: Shape,
    builder: Builder,
    *,
    proposal: Annotated[
        Literal["gaussian", "uniform"], Field(description="Distribution of the noise around the block means.")
    ] = "gaussian",
    width: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description=(
                "Width of the noise. Default: 1/bins if uniform, set by the "
                "spread of the data's details if gaussian."
            ),
        ),
    ] = None,
    learned: Annotated[bool, Field(description="Train the width of each level (gaussian only).")] = False,
) -> Pyramid:
    """Build :class:`Pyramid`.

    Raises:
        OptionError: ``learned`` is set for a uniform proposal.
    """
    if proposal == "gaussian":
        return Pyramid(Gaussian(width, learned))
    if learned:
        raise OptionError(
            "pyramid: learned=true works with a gaussian proposal only. "
            "Set proposal=gaussian, or leave learned out"
        )
    return Pyramid(Uniform(width, builder.bins))
