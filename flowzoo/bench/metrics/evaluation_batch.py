"""A batch of test images that goes through a model as in an evaluation, for metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field

from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.evaluation.likelihood import EXACT_UP_TO
from flowzoo.evaluation.notes import stated
from flowzoo.evaluation.pilot import calibrate_on_pilot
from flowzoo.metric import Trained
from flowzoo.shapes import Images, PerImage
from flowzoo.solving import Solving

BatchSize = Annotated[int, Field(ge=1, description="Number of images in a batch.")]

Exact = Annotated[
    bool | None, Field(description="Compute exact log-determinants. None: up to 64 dimensions.")
]


class EvaluationBatch:
    """Test images, and a model's warm start on pilot images, as an evaluation would begin.

    Args:
        trained: The model.
        size: Number of images in the batch. If the split has fewer, they are repeated.
        exact: As :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood` takes it.
    """

    def __init__(self, trained: Trained, size: int, exact: bool | None = None) -> None:
        flow, source = trained.flow, trained.dataset.split("test")
        self._flow = flow
        self._seed = trained.seed
        self._exact = flow.dimensions <= EXACT_UP_TO if exact is None else exact
        self._indices = [place % len(source) for place in range(size)]
        self.images = source.take(self._indices)
        self._ledger = Ledger()
        with torch.no_grad():
            self._warm_start = calibrate_on_pilot(flow, source, len(source), trained.seed, self._exact)

    @property
    def conditions(self) -> Mapping[str, Any]:
        """Trace and solver, as the calls so far have noted them."""
        return {name: stated(self._ledger, name) for name in ("trace", "solver")}

    @property
    def evaluations(self) -> float:
        """Function evaluations of all vector fields in :meth:`bits_per_dim` so far."""
        return self._ledger.counts.get("evaluations", 0.0)

    @torch.no_grad()
    def bits_per_dim(self, draw: int = 0) -> PerImage:
        """Return each image's bits/dim, ``(B,)``; the noise is another one for each number of a ``draw``."""
        return self._flow.bits_per_dim(self.images, self._call(draw))

    @torch.no_grad()
    def encode(self) -> tuple[Images, list[Images]]:
        """Return the dequantised images, ``(B, C, H, W)``, and their latents, finest first."""
        call = self._call()
        x = self._flow.dequantise(self.images, call).x
        return x, self._flow.encode(x, call)

    def _call(self, draw: int = 0) -> Call:
        return Call(
            generator=per_image_generators(self._seed + draw, self._indices),
            ledger=self._ledger,
            solver=Solving(exact=self._exact, warm_start=self._warm_start),
        )
