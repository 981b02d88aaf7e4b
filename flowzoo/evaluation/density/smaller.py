"""Judging a model that has too many dimensions for the time, by smaller ones of the same recipe."""

from __future__ import annotations

import math

import torch

from flowzoo.evaluation.density.doubled import doubled
from flowzoo.evaluation.density.entrance import enter
from flowzoo.evaluation.density.figure import AuditedImages
from flowzoo.evaluation.density.jacobian import choose_derivative
from flowzoo.evaluation.density.judge import LEAST_IMAGES, NotSquare
from flowzoo.evaluation.density.maps import Whole
from flowzoo.evaluation.density.rebuild import Rebuilt, crops, rebuild, smaller_sizes
from flowzoo.evaluation.density.verdict import Verdict
from flowzoo.flow import Flow
from flowzoo.registry.plugin import one_line
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

SHRINK = 0.8
"""The next smaller model has at most this fraction of the area of the one that took too long."""


class SmallerModels:
    """Smaller models of the recipe of a figure's model, judged in its place.

    Args:
        verdict: Judges them.
        images: The audited images of the figure.
    """

    def __init__(self, verdict: Verdict, images: AuditedImages) -> None:
        self._verdict = verdict
        self._images = images
        self._unfit = ""  # the first size at which a smaller model fails, and how

    def judge(self, double: Flow) -> None:
        """Judge the largest for which there is time.

        Args:
            double: The model of the figure, in float64.
        """
        flow, record = self._verdict.figure.flow, self._verdict.record
        entrance = self._images.enter(double)
        derivative = choose_derivative(Whole(double, entrance.x[:1], entrance.settings.of([0])))
        record.note(derivatives=derivative.way, derivative_error=derivative.error)
        if flow.recipe is None:
            record.add_objection(
                "could not be audited: it has too many dimensions for the time, and without a recipe no "
                "smaller model can be built; allow more time (--audit-seconds)"
            )
            return
        # Products and the cost of one grow with the area.
        passes = 6.0 * LEAST_IMAGES * flow.dimensions * self._verdict.pass_seconds
        area = flow.image_shape[1] * flow.image_shape[2]
        limit = 2.0 * math.sqrt(self._verdict.seconds / max(passes, 1e-9)) * area
        # A fault from training shows in the trained weights only, whatever the size.
        if not any(self._judge_at_a_size(limit, trained) for trained in (True, False)):
            record.add_objection(
                f"could not be audited: no smaller model of its recipe can be judged in the time{self._unfit}"
            )

    def _judge_at_a_size(self, limit: float, trained: bool) -> bool:
        """Judge the largest smaller model that there is time for. Return whether there is one."""
        figure, area = self._verdict.figure, float("inf")
        for height, width in smaller_sizes(figure.flow):
            if height * width > min(limit, SHRINK * area):
                continue
            try:
                small = rebuild(figure.flow, figure.source, (height, width), figure.seed, trained)
                if small is None:
                    continue
                area = height * width
                if self._judge_rebuilt(small):
                    return True
            except NotSquare:
                raise
            except Exception as problem:  # a size that the model refuses; it may take others
                self._unfit = self._unfit or f" ({height}x{width}: {one_line(problem)})"
        return False

    def _judge_rebuilt(self, small: Rebuilt) -> bool:
        flow, figure = doubled(small.flow), self._verdict.figure
        generator = torch.Generator().manual_seed(figure.seed)
        cut = crops(self._images.integers, flow.image_shape[1:], generator).to(flow.device)
        warm_start = WarmStart(flow)
        entrance = enter(
            flow, cut, self._images.generators(), Solving(warm_start=warm_start), self._images.labels
        )
        if figure.solved:
            flow.encode(entrance.x, entrance.settings.call())
        warm_start.frozen = True
        return self._verdict.conclude(flow, entrance, small)
