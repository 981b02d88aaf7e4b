"""Figures of models with classes: bits/dim given the class of an image, and the class by Bayes' rule."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from flowzoo.bench.metrics.evaluation_batch import BatchSize
from flowzoo.evaluation.labels import GivenClass, evaluate_given_class, has_labels
from flowzoo.metric import Better, Measurement, Metric, Trained

NO_LABELS = "the model has no classes, or its images have no labels"

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

    def measure(self, trained: Trained) -> Measurement:
        flow, dataset = trained.flow, trained.dataset
        if not has_labels(flow, dataset, self.split):
            unit, better = self._kind()
            return Measurement(None, unit, better, valid=False, objections=(NO_LABELS,))
        found = evaluate_given_class(
            flow,
            dataset,
            self.split,
            exact=self.exact,
            limit=self.images,
            batch_size=self.batch_size,
            seed=self.seed,
            progress=lambda done, total: trained.progress(done / total, "images"),
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

    def _kind(self) -> tuple[str, Better]:
        return "bits/dim", "lower"

    def _measurement(self, found: GivenClass, conditions: Mapping[str, Any]) -> Measurement:
        return Measurement(
            found.bits_per_dim,
            *self._kind(),
            error=found.standard_error,
            valid=False,
            objections=(NOT_OF_IMAGES,),
            conditions=conditions,
            details={"summed_over_classes": found.summed_bits_per_dim},
        )


@dataclass(frozen=True, kw_only=True)
class ClassAccuracy(_OfLabels):
    """Share of test images whose class the model finds by Bayes' rule, in percent."""

    def _kind(self) -> tuple[str, Better]:
        return "%", "higher"

    def _measurement(self, found: GivenClass, conditions: Mapping[str, Any]) -> Measurement:
        return Measurement(
            100.0 * found.accuracy,
            *self._kind(),
            error=100.0 * found.accuracy_error,
            conditions=conditions,
        )
