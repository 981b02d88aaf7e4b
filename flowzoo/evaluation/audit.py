"""The audit of a figure: how far the solver's results are from those of a much more accurate solver."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.evaluation.notes import stated
from flowzoo.flow import Flow
from flowzoo.solving import Solving
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart

AUDITED_IMAGES = 16

AT_LEAST = 4
"""Number of images that are judged in any case; more are while there is time."""

BETWEEN_PILOTS = 0.25
"""Where in their stretches the audited images lie: between those that a pilot has fitted the steps to."""

NEGLIGIBLE = 0.001
"""Bits/dim: an error below it changes no figure that is quoted to two decimals."""

TOLERABLE = 0.01
"""Bits/dim: an error above it is not small, however few the images and wide their spread."""


@dataclass(frozen=True)
class Audit:
    """The solver's error on some of the images: reported minus judged bits/dim, noise and probes the same.

    Attributes:
        images: How many were judged, spread evenly over those of the figure.
        mean: Bits/dim; positive where the figure is too high.
        worst: Largest absolute error of an image, bits/dim.
        judge: The solver that judged, in double precision.
    """

    images: int
    mean: float
    worst: float
    judge: str

    def is_small(self, standard_error: float | None) -> bool:
        """Whether the mean error is no larger than the figure's own standard error.

        An error below :data:`NEGLIGIBLE` is always small, one above :data:`TOLERABLE` never.

        Args:
            standard_error: Standard error in bits/dim; None if there is only one image.
        """
        noise = TOLERABLE if standard_error is None else standard_error
        return abs(self.mean) <= min(max(noise, NEGLIGIBLE), TOLERABLE)


def audit_likelihood(
    flow: Flow,
    source: ImageSource,
    count: int,
    seed: int,
    exact: bool,
    warm_start: WarmStart,
    seconds: float,
    progress: Callable[[int, int], object],
) -> Audit:
    """Measure the solver's error.

    The accurate solver takes :data:`AT_LEAST` images first. It goes on with as many as it can judge in time,
    and with all that are left at once if there is time for them.

    Args:
        flow: The model.
        source: The images.
        count: How many of them were evaluated.
        seed: Seed of the noise and the probes of each image.
        exact: Whether exact log-determinants are asked for.
        warm_start: The warm start with which the images were evaluated.
        seconds: Time after which no further images are judged.
        progress: Called with the number of images that are judged, and the largest number that may be.

    Raises:
        NumericalError: The accurate solver did not finish, or a likelihood is not finite.
    """
    indices = spread(count, AUDITED_IMAGES, BETWEEN_PILOTS)
    generators = per_image_generators(seed, indices)
    x = flow.dequantise(source.take(indices), Call(generator=generators)).x
    same_generators = tuple(each.clone_state() for each in generators)
    reported = flow.log_prob(
        x, Call(generator=generators, solver=Solving(exact=exact, warm_start=warm_start))
    )

    # Apple's devices have no double precision.
    device = torch.device("cpu") if flow.device.type == "mps" else flow.device
    judge = copy.deepcopy(flow).to(device).double()
    ledger = Ledger()
    began = time.monotonic()
    left = _evenly_from_the_first(len(indices))
    errors = torch.empty(0, dtype=torch.float64)
    progress(0, len(indices))
    while left:
        places, left = left[:AT_LEAST], left[AT_LEAST:]
        spent = time.monotonic() - began
        if len(errors):
            each = spent / len(errors)
            if spent + each * len(places) > seconds:
                break
            if spent + each * len(places + left) <= seconds:
                places, left = places + left, []
        judged = judge.log_prob(
            x[places].to(device).double(),
            Call(
                generator=tuple(same_generators[place] for place in places),
                ledger=ledger,
                solver=Solving(exact=exact, tight=True),
            ),
        )
        found = nats_to_bits(judged - reported[places].to(device).double(), flow.dimensions)
        errors = torch.cat([errors, found.cpu()])
        progress(len(errors), len(indices))
    return Audit(
        images=len(errors),
        mean=float(errors.mean()),
        worst=float(errors.abs().max()),
        judge=stated(ledger, "solver"),
    )


def _evenly_from_the_first(count: int) -> list[int]:
    """Return all places in an order whose first ones are spread over all of them.

    >>> _evenly_from_the_first(8)
    [0, 2, 4, 6, 1, 3, 5, 7]
    """
    step = max(1, count // AT_LEAST)
    return [place for first in range(step) for place in range(first, count, step)]
