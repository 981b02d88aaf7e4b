"""The record of a training: everything that decides the trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowzoo.digest import digest_of
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.registry.added import without_added
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry


@dataclass(frozen=True)
class Experiment:
    """A model, a data set, a budget and options of the training. :func:`~.parse.parse_experiment` makes one.

    Attributes:
        model: Registered name.
        data: Registered name of the data set.
        budget: How long to train.
        options: The model's options. After the model has been built, these are all of them.
        pixels: The pixel transform; None for the one that the data set recommends.
        data_options: The data set's options. Those that say where files are hold absolute paths.
        data_revision: Content hash of the data set; empty before it has been loaded.
        training: Options of the training.
        seed: Seed of the weights, the noise and the order of the data.
    """

    model: str
    data: str
    budget: Budget
    options: Mapping[str, Any] = field(default_factory=dict)
    pixels: str | Mapping[str, Any] | None = None
    data_options: Mapping[str, Any] = field(default_factory=dict)
    data_revision: str = ""
    training: TrainingOptions = field(default_factory=TrainingOptions)
    seed: int = 0

    @property
    def fingerprint(self) -> str:
        """A digest of everything that decides the weights, except the budget. Checkpoints require it.

        Of the options of the data set, ``flips`` alone is here. Others say where its files are, and its
        revision covers the rest.
        """
        return self.fingerprint_in(default_registry())

    def fingerprint_in(self, registry: Registry) -> str:
        """Return the :attr:`fingerprint`, with names as a registry means them, such as one bound to a run."""
        model = self._model_in(registry)
        decides = {**model, "data": self.data, "data_revision": self.data_revision}
        return digest_of({**decides, "training": self.training.decisive(), "seed": self.seed})

    def key(self, **around: Any) -> str:
        """Return a short digest of the experiment, and of what else decides its figures.

        Args:
            around: What else decides the figures, such as ``data``, the data set as it was loaded, and the
                metrics.
        """
        decides = {
            **self._model_in(default_registry()),
            "training": self.training.decisive(),
            "budget": self.budget.plain(),
        }
        return digest_of({**decides, "seed": self.seed, **around}, digits=16)

    @property
    def flips(self) -> bool:
        """Whether training mirrors images: the one option of data sets that no revision covers."""
        return bool(self.data_options.get("flips"))

    def _model_in(self, registry: Registry) -> dict[str, Any]:
        options = without_added(registry, "model", self.model, self.options)
        model = {"model": self.model, "options": options, "pixels": self.pixels}
        return {**model, "flips": True} if self.flips else model
