"""How a resolution transform lays out its bands."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.errors import FlowzooError
from flowzoo.testing.draws import Draws
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

_EMPTY = 1e-9
"""Values below this are rounding, in float64."""


def lays_out_bands(kind: type[Invertible], trial: Trial) -> None:
    """Bands are laid out offset-major, the coarse one first, and each value lies at the place of its block.

    This concerns transforms that lower the resolution. A channel that is made of one colour alone is
    channel ``offset * C + c``; where a constant image leaves some bands empty, the first one is not among
    them; and a value depends on the block of the image at its place.
    """
    trial = _in_colour(trial)
    subject = kind.ready(trial)
    channels, height, width = trial.check.shape
    bands, rows, columns = subject.output_shape()
    if (rows, columns) == (height, width) or bands % channels or height % rows or width % columns:
        return
    x = subject.images()[:1].requires_grad_()
    jacobian = _jacobian(subject.forward(x, None, Draws(indices=(0,)))[0][0], x)
    by_colour = jacobian.flatten(4).any(4).flatten(1, 2).any(1)
    for band, made_of in enumerate(by_colour):
        colours = made_of.nonzero().flatten().tolist()
        require(
            len(colours) != 1 or colours == [band % channels],
            f"channel {band} is made of colour {colours[:1]}, expected {band % channels}; bands are laid out "
            f"offset-major: channel offset * {channels} + colour",
        )
    blocks = jacobian.unflatten(5, (columns, -1)).unflatten(4, (rows, -1))
    own = blocks.any(7).any(5).any(3).any(0)
    for row in range(rows):
        for column in range(columns):
            require(
                bool(own[row, column, row, column]),
                f"the values at row {row}, column {column} do not depend on their own block of the image",
            )
    _require_coarse_first(subject, channels)


@torch.no_grad()
def _require_coarse_first(subject: Invertible, channels: int) -> None:
    constant = torch.full_like(subject.images()[:1], 0.6)
    darker = 0.5 * constant
    draws = Draws(indices=(0,))
    change = subject.forward(constant, None, draws)[0] - subject.forward(darker, None, draws)[0]
    empty = [bool((band.abs() < _EMPTY).all()) for band in change[0].split(channels)]
    require(
        not (empty[0] and not all(empty)),
        "the first band of a constant image is empty, but another one is not; put the coarse image first",
    )


def _in_colour(trial: Trial) -> Trial:
    """Return the trial with three colours, or unchanged if the component refuses that."""
    colour = trial.with_check(shape=(3, *trial.check.shape[1:]))
    try:
        colour.build()
    except FlowzooError:
        return trial
    return colour


def _jacobian(y: Tensor, x: Tensor) -> Tensor:
    """Return where ``y``, ``(C', H', W')``, depends on ``x``, ``(1, C, H, W)``: booleans, outputs first."""
    rows = [torch.autograd.grad(each, x, retain_graph=True)[0][0] != 0 for each in y.flatten()]
    return torch.stack(rows).reshape(*y.shape, *x.shape[1:])
