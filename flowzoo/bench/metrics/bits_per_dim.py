"""Bits per dimension on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from flowzoo.bench.metrics.evaluation_batch import BatchSize, Exact
from flowzoo.bench.result import DENSITY
from flowzoo.evaluation.density.audit import SECONDS
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.image_bits import ImageBits, ImageConditions, split_revision
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.evaluation.observer import Observer
from flowzoo.metric import Measurement, Metric, Trained

_SEEN = {
    "train": "measured on the images that it was trained on",
    "validation": "measured on the images by which its weights were chosen",
}
"""Why figures on other splits than the test split are not ranked."""

_BEFORE_AUDIT = 0.5
"""Share of the progress that the images make; the audit makes the rest."""


@dataclass(frozen=True, kw_only=True)
class BitsPerDim(Metric):
    """Bits per dimension, as ``flowzoo evaluate`` measures them; the noise is the same for every model."""

    split: Annotated[Literal["train", "validation", "test"], Field(description="Split to measure on.")] = (
        "test"
    )
    images: Annotated[int | None, Field(ge=1, description="Use only the first N images. None: all.")] = None
    draws: Annotated[int, Field(ge=1, description="Random samples of noise for each image.")] = 1
    exact: Exact = None
    batch_size: BatchSize = 100
    audit: Annotated[
        bool,
        Field(description="Audit the density and the solver. Without it, figures are not ranked."),
    ] = True
    audit_seconds: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="Approximate time for the audit's Jacobians.")
    ] = SECONDS
    seed: Annotated[int, Field(ge=0, description="Seed of noise and probes, the same for every model.")] = 0

    def measure(self, trained: Trained) -> Measurement:
        def measured(found: Likelihood, bits: Tensor) -> None:
            trained.keep(self._measurement(found))
            conditions = ImageConditions(
                split=self.split,
                images_revision=split_revision(trained.dataset.info, self.split),
                bins=trained.flow.bins,
                seed=found.seed,
                importance_samples=found.importance_samples,
                trace=found.trace,
                weights="",
            )
            trained.keep_bits(ImageBits(bits, conditions))

        before_audit = _BEFORE_AUDIT if self.audit else 1.0
        found = evaluate_likelihood(
            trained.flow,
            trained.dataset.split(self.split),
            importance_samples=self.draws,
            exact=self.exact,
            limit=self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            audit=self.audit,
            audit_seconds=self.audit_seconds,
            observer=Observer(
                images=lambda done, total: trained.progress(before_audit * done / total, "images"),
                audit=lambda share: trained.progress(before_audit + (1 - before_audit) * share, "audit"),
                measured=measured,
            ),
        )
        return self._measurement(found)

    def _measurement(self, found: Likelihood) -> Measurement:
        seen = () if self.split == "test" else (_SEEN[self.split],)
        joint = found.joint_bits_per_dim
        return Measurement(
            value=found.bits_per_dim,
            unit="bits/dim",
            better="lower",
            error=found.standard_error,
            valid=found.valid,
            objections=found.objections,
            exactness=found.exactness,
            estimated=found.estimated,
            conditions={"split": self.split, **_conditions(found)},
            details={"shares": dict(found.terms)} | ({} if joint is None else {"joint_bpd": joint}),
            audit_seconds=None if found.density is None else found.density.seconds,
        ).objected(*seen)


def _conditions(found: Likelihood) -> Mapping[str, Any]:
    return {
        "images": found.images,
        "draws": found.importance_samples,
        "dequantisation": found.dequantisation,
        "trace": found.trace,
        "solver": found.solver,
        "proposal": found.proposal,
        "audit": None if found.audit is None else asdict(found.audit),
        **density_conditions(found.density),
        "seed": found.seed,
    }


def density_conditions(found: DensityAudit | None) -> Mapping[str, Any]:
    """Return the outcome of a density audit as a condition, without its seconds, which do not repeat."""
    if found is None:
        return {DENSITY: None}
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(found).items()
        if name != "seconds"
    }
    return {DENSITY: {"passed": found.passed, **plain}}
