"""What a density audit examines: a figure, and the images of it that are audited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.call import Call, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.evaluation.density.entrance import Entrance, enter
from flowzoo.flow import Flow
from flowzoo.flow_values import labels_at
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

AUDITED_IMAGES = 4


@dataclass(frozen=True)
class Figure:
    """A figure to audit.

    Attributes:
        flow: The model.
        source: The images of the figure.
        bits: Bits/dim of each of the first images, as they were measured, ``(N,)``, float64, on the CPU.
        importance_samples: ``K``, samples of noise and coarse images for each image.
        measure: Measures integer images as the figure was measured: from a model and a call to bits/dim,
            ``(B,)``.
        seed: Seed of the noise and the probes of each image.
        exact: Whether exact log-determinants were requested.
        warm_start: The warm start with which the images were measured.
        solved: Whether the model has solvers.
        estimated: Whether it estimated a trace.
        given_class: Whether the figure is one of images given their class, by their labels.
    """

    flow: Flow
    source: ImageSource
    bits: Tensor
    importance_samples: int
    measure: Callable[[Flow, IntegerImages, Call], Tensor]
    seed: int
    exact: bool
    warm_start: WarmStart
    solved: bool
    estimated: bool
    given_class: bool = False


class AuditedImages:
    """The images of a figure that are audited, with the noise that the figure had.

    Args:
        figure: The figure.
    """

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._indices = audited_images(figure.bits)
        self.integers = figure.source.take(self._indices)
        self.reported = figure.bits[self._indices]
        self.labels = figure.source.labels_at(self._indices) if figure.given_class else None

    def __len__(self) -> int:
        return len(self._indices)

    def generators(self, places: Sequence[int] | None = None) -> tuple[torch.Generator, ...]:
        """Return the generators of some of them, or of all; they are new and have drawn nothing."""
        indices = self._indices if places is None else [self._indices[place] for place in places]
        return per_image_generators(self._figure.seed, indices)

    def measured(self, flow: Flow, places: Sequence[int]) -> Tensor:
        """Return bits/dim of some of the images together, ``(B,)``, float64, on the CPU."""
        call = Call(
            generator=self.generators(places),
            solver=Solving(exact=self._figure.exact, warm_start=_known_to(flow, self._figure.warm_start)),
            labels=labels_at(self.labels, places),
        )
        images = self.integers[list(places)].to(flow.device)
        return self._figure.measure(flow, images, call).double().cpu()

    def enter(self, flow: Flow) -> Entrance:
        """Return all images as they enter a model, with the settings of an ordinary pass."""
        solver = Solving(warm_start=_known_to(flow, self._figure.warm_start))
        return enter(flow, self.integers, self.generators(), solver, self.labels)


def audited_images(bits: Tensor) -> list[int]:
    """Return the places of the images to audit, by their bits/dim.

    The one with the lowest figure comes first, since a density that is wrong for some images alone is wrong
    where it flatters; then one in the middle, the highest, and others.

    >>> audited_images(torch.tensor([3.0, 1.0, 2.0, 4.0, 3.0, 3.0]))
    [1, 3, 0, 2]
    """
    count = len(bits)
    wanted = [int(bits.argmin()), spread(count, 1, 0.5)[0], int(bits.argmax()), *spread(count, 8)]
    return list(dict.fromkeys(wanted))[:AUDITED_IMAGES]


def _known_to(flow: Flow, warm_start: WarmStart) -> WarmStart:
    """Return what a warm start holds of one model for a copy of it, frozen."""
    copied = WarmStart(flow, warm_start.state())
    copied.frozen = True
    return copied
