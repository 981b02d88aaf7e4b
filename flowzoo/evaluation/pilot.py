"""Pilot images: solvers choose their steps on some of the images, and every image then meets the same steps.

A solver that chose its steps anew for every batch would make an image's figure depend on its neighbours.
"""

from __future__ import annotations

from flowzoo.calibration import PILOT_IMAGES, calibrate
from flowzoo.call import Call, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.flow import Flow
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

TRIAL_IMAGES = 2
"""Number of images that show whether the model calibrates anything."""


def calibrate_on_pilot(
    flow: Flow, source: ImageSource, count: int, seed: int, exact: bool, given_class: bool = False
) -> WarmStart:
    """Return the warm start that a model keeps of pilot images, frozen.

    Args:
        flow: The model.
        source: The images.
        count: Number of images that will be evaluated; the pilot's are spread evenly over these.
        seed: Seed of noise and probes, by image, as in the evaluation.
        exact: Whether exact log-determinants are requested.
        given_class: Whether the model is given the class of each image, by its label.
    """

    def kept_of(images: int) -> WarmStart:
        indices = spread(count, images)
        generators = per_image_generators(seed, indices)

        def compute(warm_start: WarmStart) -> None:
            solver = Solving(exact=exact, warm_start=warm_start)
            labels = source.labels_at(indices) if given_class else None
            flow.bits_per_dim(source.take(indices), Call(generator=generators, solver=solver, labels=labels))

        return calibrate(flow, compute)[0]

    warm_start = kept_of(TRIAL_IMAGES)
    if warm_start.state():
        warm_start = kept_of(PILOT_IMAGES)
    return warm_start
