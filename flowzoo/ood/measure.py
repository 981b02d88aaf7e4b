"""What a model computes of images, one figure an image, from which scores are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowzoo.call import Call, per_image_generators
from flowzoo.coding.codes import CODES, code_lengths
from flowzoo.data.dataset import ImageSource
from flowzoo.errors import NumericalError
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Solving
from flowzoo.terms import FlowTerms, sum_terms
from flowzoo.units import bits_per_dim, nats_to_bits
from flowzoo.warm_start import WarmStart

Values = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ImageFigures:
    """Figures of ``N`` images, ``(N,)`` each, float64.

    Attributes:
        bits: Bits/dim under one draw of the noise; infinite where the likelihood is not finite.
        levels: Each level's share of them, finest level first: all its terms of ``log p``.
        lengths: Bits of a lossless code, by the code's name.
        gradient: Norm of the gradient of ``log p`` by the image's pixels, nats; infinite where it is not
            finite, and None where it was left out.
    """

    bits: Values
    levels: tuple[Values, ...]
    lengths: dict[str, Values]
    gradient: Values | None


@dataclass(frozen=True)
class Measure:
    """How images are measured.

    Args:
        flow: The model.
        warm_start: Its solvers' steps, settled on the model's own images, so that all images get the same.
        seed: Seed of noise and probes, by the image's index.
        exact: Whether exact log-determinants are requested.
        batch_size: Number of images at once.
    """

    flow: Flow
    warm_start: WarmStart
    seed: int
    exact: bool
    batch_size: int

    def images(
        self, source: ImageSource, indices: Sequence[int], gradient: bool, codes: bool, progress: Progress
    ) -> ImageFigures:
        """Measure images.

        Args:
            source: The images.
            indices: Those to measure.
            gradient: Also compute the gradient, which takes about twice as long again.
            codes: Also compute the lengths of codes.
            progress: Called with the number of images that are done, and of all.
        """
        bits, gradients = list[Tensor](), list[Tensor]()
        levels = list[Tensor]()
        lengths: dict[str, list[Values]] = {name: [] for name in CODES} if codes else {}
        for start in range(0, len(indices), self.batch_size):
            places = indices[start : start + self.batch_size]
            images = source.take(places)
            for found in self._measured(images, places, gradient):
                bits.append(found[0])
                levels.append(found[1])
                gradients.append(found[2])
            for name, known in lengths.items():
                known.append(code_lengths(images, name))
            progress(start + len(places), len(indices))
        by_level = torch.cat(levels, dim=1).double().cpu().numpy()
        return ImageFigures(
            _as_array(bits),
            tuple(by_level),
            {name: np.concatenate(known) for name, known in lengths.items()},
            _as_array(gradients) if gradient else None,
        )

    def _measured(
        self, images: IntegerImages, places: Sequence[int], gradient: bool
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the figures of a batch, or of each image if the likelihood of one is not finite."""
        try:
            yield self._batch(images, places, gradient)
        except NumericalError:
            if len(images) == 1:
                none = torch.full((1,), torch.inf)
                yield none, none.expand(len(self.flow.levels), 1), none
                return
            for row, place in enumerate(places):
                yield from self._measured(images[row : row + 1], [place], gradient)

    def _batch(
        self, images: IntegerImages, places: Sequence[int], gradient: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        flow = self.flow
        with torch.set_grad_enabled(gradient):
            x, log_q, terms = self._terms(images, places, gradient)
            log_prob = terms.total()
        slope = torch.autograd.grad(log_prob.sum(), x)[0] if gradient else x
        norm = slope.flatten(1).norm(dim=1).nan_to_num(nan=torch.inf, posinf=torch.inf)
        bits = bits_per_dim(log_prob.detach() - log_q.to(log_prob.dtype), flow.dimensions, flow.bins)
        shares = [nats_to_bits(-sum_terms(each).detach(), flow.dimensions) for each in terms.levels]
        return bits, torch.stack([each.to(bits.dtype) for each in shares]), norm

    def _terms(
        self, images: IntegerImages, places: Sequence[int], gradient: bool = False
    ) -> tuple[Tensor, Tensor, FlowTerms]:
        solver = Solving(exact=self.exact, warm_start=self.warm_start)
        call = Call(generator=per_image_generators(self.seed, places), solver=solver)
        with torch.no_grad():
            x, log_q = self.flow.dequantise(images, call)
        x = x.detach().requires_grad_(gradient)
        return x, log_q, self.flow.terms(x, call)


def _as_array(parts: Sequence[Tensor]) -> Values:
    return torch.cat(list(parts)).double().cpu().numpy()
