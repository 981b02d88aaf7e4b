"""Bits per dimension on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from flowzoo.bench.metrics.evaluation_batch import BatchSize, Exact
from flowzoo.bench.result import DENSITY
from flowzoo.evaluation.density.audit import SECONDS
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.metric import Measurement, Metric, Trained


@dataclass(frozen=True)
class BitsPerDim(Metric):
    """Bits per dimension, as ``flowzoo evaluate`` measures them; its noise is the same for every model.

    Attributes:
        split: Which images.
        images: How many of them, the first ones; None for all.
        draws: Of noise and coarse images, for each image.
        exact: As :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood` takes it.
        batch_size: Images at once.
        audit: Whether to audit the figure.
        audit_seconds: How long the density audit may spend on Jacobians, roughly.
        seed: Of noise and probes.
    """

    split: str
    images: int | None
    draws: int
    exact: bool | None
    batch_size: int
    audit: bool
    audit_seconds: float
    seed: int

    def measure(self, trained: Trained) -> Measurement:
        found = evaluate_likelihood(
            trained.flow,
            trained.dataset.split(self.split),
            draws=self.draws,
            exact=self.exact,
            limit=self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            audit=self.audit,
            audit_seconds=self.audit_seconds,
        )
        seen = () if self.split == "test" else (_SEEN[self.split],)
        return Measurement(
            value=found.bits_per_dim,
            unit="bits/dim",
            better="lower",
            error=found.standard_error,
            valid=found.valid and not seen,
            objections=(*found.objections, *seen),
            conditions={"split": self.split, **_conditions(found)},
            details=_details(found),
            audit_seconds=None if found.density is None else found.density.seconds,
        )


_SEEN = {
    "train": "measured on the images that it was trained on",
    "validation": "measured on the images by which its weights were chosen",
}
"""Why figures on other splits than the test split are not ranked."""


def build_bits_per_dim(
    *,
    split: Annotated[
        Literal["train", "validation", "test"], Field(description="which images to measure on")
    ] = "test",
    images: Annotated[int | None, Field(ge=1, description="use the first so many; None: all")] = None,
    draws: Annotated[int, Field(ge=1, description="of noise and coarse images, for each image")] = 1,
    exact: Exact = None,
    batch_size: BatchSize = 100,
    audit: Annotated[
        bool, Field(description="check that it is a density, and the solver's error; never ranked without")
    ] = True,
    audit_seconds: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="for the Jacobians of the audit, roughly")
    ] = SECONDS,
    seed: Annotated[int, Field(ge=0, description="of noise and probes, the same for every model")] = 0,
) -> BitsPerDim:
    """Build the metric."""
    return BitsPerDim(split, images, draws, exact, batch_size, audit, audit_seconds, seed)


def _conditions(found: Likelihood) -> Mapping[str, Any]:
    return {
        "images": found.images,
        "draws": found.draws,
        "dequantisation": found.dequantisation,
        "trace": found.trace,
        "solver": found.solver,
        "proposal": found.proposal,
        "audit": None if found.audit is None else asdict(found.audit),
        DENSITY: None if found.density is None else _density(found.density),
        "seed": found.seed,
    }


def _density(found: DensityAudit) -> Mapping[str, Any]:
    """Return the outcome as JSON holds it, without its seconds, which do not repeat."""
    plain = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(found).items()
    }
    del plain["seconds"]
    return {"passed": found.passed, **plain}


def _details(found: Likelihood) -> Mapping[str, Any]:
    joint = found.joint_bits_per_dim
    return {"shares": dict(found.shares)} | ({} if joint is None else {"joint_bpd": joint})
