"""Figures of models with classes: bits/dim given the class of an image, and the class by Bayes' rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from flowzoo.bench.metrics.bits_per_dim import density_conditions
from flowzoo.bench.metrics.evaluation_batch import BatchSize
from flowzoo.evaluation.labels import GivenClass, evaluate_given_class, has_labels
from flowzoo.metric import Better, Measurement, Metric, Trained

NO_LABELS = "the model has no classes, or its images have no labels"

_BEFORE_AUDIT = 0.5
"""Share of the progress that the images make; the audit makes the rest."""

NOT_OF_IMAGES = "it is told the class of each image, so it is no figure of images"


@dataclass(frozen=True, kw_only=True)
class _OfLabels(Metric):
    split: Annotated[Literal["validation", "test"], Field(description="Split to measure on.")] = "test"
    images: Annotated[
        int | None,
        Field(ge=1, description="Use only the first N images; each costs a pass for every class. None: all."),
    ] = None
    exact: Annotated[
        bool, Field(description="Compute exact log-determinants, which takes very long for continuous flows.")
    ] = False
    batch_size: BatchSize = 100
    seed: Annotated[int, Field(ge=0, description="Seed of noise and probes, the same for every model.")] = 0

    audited: ClassVar[bool]
    """Whether the density given the class is audited too."""

    def measure(self, trained: Trained) -> Measurement:
        flow, dataset = trained.flow, trained.dataset
        if not has_labels(flow, dataset, self.split):
            unit, better = self._kind()
            return Measurement(None, unit, better).objected(NO_LABELS)
        before_audit = _BEFORE_AUDIT if self.audited else 1.0
        found = evaluate_given_class(
            flow,
            dataset,
            self.split,
            exact=self.exact,
            limit=self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            audit=self.audited,
            progress=lambda done, total: trained.progress(before_audit * done / total, "images"),
            audit_progress=lambda share: trained.progress(before_audit + (1 - before_audit) * share, "audit"),
        )
        conditions = {
            "split": self.split,
            "images": found.images,
            "classes": found.classes,
            "trace": found.trace,
            "seed": self.seed,
        }
        return self._measurement(found, conditions)

    @abstractmethod
    def _kind(self) -> tuple[str, Better]:
        """Return the unit, and which figures are better."""

    @abstractmethod
    def _measurement(self, found: GivenClass, conditions: Mapping[str, Any]) -> Measurement: ...


@dataclass(frozen=True, kw_only=True)
class BitsPerDimGivenClass(_OfLabels):
    """Bits per dimension of images given their own class. It is shown, and never ranked."""

    audited: ClassVar[bool] = True

    def _kind(self) -> tuple[str, Better]:
        return "bits/dim", "lower"

    def _measurement(self, found: GivenClass, conditions: Mapping[str, Any]) -> Measurement:
        density = found.density
        assert density is not None, "it is audited"
        return Measurement(
            found.bits_per_dim,
            *self._kind(),
            error=found.standard_error,
            valid=False,
            objections=(NOT_OF_IMAGES, *density.objections),
            conditions={**conditions, **density_conditions(density)},
            details={"summed_over_classes": found.summed_bits_per_dim},
            audit_seconds=density.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy(_OfLabels):
    """Share of test images whose class the model finds by Bayes' rule, in percent."""

    audited: ClassVar[bool] = False

    def _kind(self) -> tuple[str, Better]:
        return "%", "higher"

    def _measurement(self, found: GivenClass, conditions: Mapping[str, Any]) -> Measurement:
        return Measurement(
            100.0 * found.accuracy,
            *self._kind(),
            error=100.0 * found.accuracy_error,
            conditions=conditions,
        )
