"""Measures the error of decoding an image's own latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from flowzoo.bench.metrics.evaluation_batch import EvaluationBatch
from flowzoo.dequantisation import quantise
from flowzoo.metric import Measurement, Metric, Trained


@dataclass(frozen=True, kw_only=True)
class RoundTripError(Metric):
    """Largest ``|decode(encode(x)) - x|`` over the values of test images, pixels in ``[0, 1)``.

    The model computes in its own dtype, mostly float32. Solvers take the steps of an evaluation on the way
    to the latents, and steps of their own on the way back, as in sampling. Coarse images that a stochastic
    transform draws are decoded as they were drawn.
    """

    images: Annotated[int, Field(ge=1, description="Number of test images, in one batch.")] = 100

    @torch.no_grad()
    def measure(self, trained: Trained) -> Measurement:
        flow = trained.flow
        count = min(self.images, len(trained.dataset.split("test")))
        batch = EvaluationBatch(trained, count)
        x, latents = batch.encode()
        found = flow.decode(latents)
        errors = (found.to(x.dtype) - x).abs()
        recovered = quantise(found, flow.bins).cpu() == batch.images
        return Measurement(
            value=float(errors.max()),
            unit="",
            better="lower",
            conditions={
                "split": "test",
                "images": count,
                "dtype": str(flow.dtype).removeprefix("torch."),
                "scale": "pixels in [0, 1)",
                "solver": batch.conditions["solver"],
            },
            details={
                "mean": float(errors.mean()),
                "mean_of_largest_by_image": float(errors.flatten(1).amax(1).mean()),
                "recovered_integers": float(recovered.double().mean()),
            },
        )
