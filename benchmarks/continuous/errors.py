"""How far results are from a tight solve of the same problem."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Results(NamedTuple):
    """Latents or samples ``(B, C, H, W)``, log-densities ``(B,)`` in nats, the flat gradient of a step."""

    state: Tensor
    log_prob: Tensor | None = None
    gradient: Tensor | None = None


def errors(found: Results, truth: Results) -> dict[str, float]:
    """Return the errors of what there is: root mean squares, and relative to its norm the gradient's.

    The log-density's is given in nats, in bits/dim, and as the error of its mean in bits/dim.
    """
    figures = {"state, rms": rms(found.state, truth.state)}
    if found.log_prob is not None and truth.log_prob is not None:
        unit = found.state[0].numel() * math.log(2.0)
        nats = rms(found.log_prob, truth.log_prob)
        mean = abs(float((found.log_prob.double() - truth.log_prob).mean()))
        figures |= {"nats, rms": nats, "bits/dim, rms": nats / unit, "bits/dim of the mean": mean / unit}
    if found.gradient is not None and truth.gradient is not None:
        distance = (found.gradient.double() - truth.gradient).norm()
        figures["gradient, relative"] = float(distance / truth.gradient.norm())
    return figures


def rms(found: Tensor, truth: Tensor) -> float:
    """Return the root mean square of the differences."""
    return float((found.double() - truth).square().mean().sqrt())


def rms_over(batches: list[dict[str, float]]) -> dict[str, float]:
    """Return the root mean square over batches of each error."""
    return {
        name: float(torch.tensor([each[name] for each in batches]).square().mean().sqrt())
        for name in batches[0]
    }
