"""The interface of a metric: a trained model in, a figure with its unit and its conditions out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from flowzoo.exactness import Exactness

if TYPE_CHECKING:
    from flowzoo.data.dataset import Dataset
    from flowzoo.evaluation.image_bits import ImageBits
    from flowzoo.flow import Flow

BITS = "bits/dim"
"""Unit of likelihoods. A suite shows no figure in it as valid that was not audited."""

NOT_AUDITED = "not audited: nothing has checked that it is a density"
"""The objection to a likelihood without an audit."""

Better = Literal["lower", "higher", ""]
"""Which figures are better; empty where neither is."""


@dataclass(frozen=True)
class Trained:
    """A trained model, and what a metric may use of its training.

    Attributes:
        flow: The model with its best weights, on the device to measure on. A metric leaves it as it is, its
            mode and its parameters included, and works on a ``copy.deepcopy`` of it where it needs another.
        dataset: What the model was trained on.
        training: All options of the trainer, by name, as plain data.
        log: Records of the training log: those with ``validation_bits_per_dim`` hold ``step`` and ``seconds``
            too.
        steps: Number of training steps.
        seconds: Time of the training, the first pass over the data and validation included.
        seed: Seed of the training. A metric that draws seeds its generators with it.
        keep: Keeps a measurement that is not complete yet, such as a figure before its audit. It is recorded
            if the process ends before the metric returns.
        keep_bits: Keeps the bits/dim of each image, from which suites compare models image by image.
        progress: Shows how far a long measurement is. Call it with the share that is done, from 0 to 1, and
            what is being done, such as ``"drawing samples"``.
    """

    flow: Flow
    dataset: Dataset
    training: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    steps: int
    seconds: float
    seed: int
    keep: Callable[[Measurement], object] = field(default=lambda part: None, repr=False, compare=False)
    keep_bits: Callable[[ImageBits], object] = field(default=lambda bits: None, repr=False, compare=False)
    progress: Callable[[float, str], object] = field(
        default=lambda share, what: None, repr=False, compare=False
    )


@dataclass(frozen=True)
class Measurement:
    """A figure with its conditions. All of it is plain data, as JSON holds it.

    Attributes:
        value: The figure; None where there is none to give, and ``objections`` say why.
        unit: Its unit, such as ``bits/dim`` or ``images/s``; empty for a bare number.
        better: Which figures are better.
        error: Standard error of the figure, or half the spread that ``conditions`` describe; None if unknown.
        repeats: Whether the same seed, steps and machine give the same figure again; times do not.
        valid: Whether the figure may be ranked.
        objections: Why it must not be.
        exactness: Exactness of the log-determinants behind a likelihood; None if there are none.
        estimated: Whether one of them is an estimate. A bound may rest on an estimate too.
        conditions: Conditions of the figure by name: draws, images, batch size, ...
        details: Further figures: ``curve`` holds ``[seconds, bits/dim]`` pairs, ``joint_bpd`` a figure that
            is no bound, ...
        audit_seconds: Time that the audit took; None if nothing was audited. Two measurements that
            differ in it alone are equal.
    """

    value: float | None
    unit: str
    better: Better = ""
    error: float | None = None
    repeats: bool = True
    valid: bool = True
    objections: tuple[str, ...] = ()
    exactness: Exactness | None = None
    estimated: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    audit_seconds: float | None = field(default=None, compare=False)

    def objected(self, *objections: str) -> Measurement:
        """Return a copy that must not be ranked for these reasons too; an equal one if there are none.

        >>> Measurement(2.5, BITS).objected(NOT_AUDITED).valid, Measurement(2.5, BITS).objected().valid
        (False, True)
        """
        return replace(self, valid=self.valid and not objections, objections=(*self.objections, *objections))


class Metric(ABC):
    """Measures one thing of a trained model.

    >>> class Dimensions(Metric):
    ...     def measure(self, trained):
    ...         return Measurement(trained.flow.dimensions, unit="")
    """

    @abstractmethod
    def measure(self, trained: Trained) -> Measurement:
        """Return the figure.

        Args:
            trained: The model.

        Raises:
            FlowzooError: It cannot be measured, for example since the metric is not made for the model's
                number of bins; the suite then records that, and measures the others.
        """
