"""What can be set about training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowzoo.component import Added
from flowzoo.errors import OptionError, did_you_mean
from flowzoo.integers import plain_number


class TrainingOptions(BaseModel):
    """Options of the trainer; the defaults follow the papers: Adam, warm-up, clipped gradients."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    batch_size: Annotated[int, Field(ge=1, description="Number of images in a step.")] = 64
    optimiser: Annotated[Literal["adam", "adamax"], Field(description="Optimiser of torch.optim.")] = "adam"
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate after the warm-up.")] = 1e-3
    warmup: Annotated[
        int, Field(ge=0, description="Number of steps over which the learning rate rises from 0.")
    ] = 100
    schedule: Annotated[
        Literal["cosine", "constant"],
        Field(description="How the learning rate changes after the warm-up: cosine lets it fall to 0."),
    ] = "cosine"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        Field(description="Precision of matrix products in training. Evaluation uses float32."),
    ] = "float32"
    clip: Annotated[
        float,
        Field(
            gt=0, description="Largest norm of the gradient of bits/dim. A longer gradient is scaled down."
        ),
    ] = 100.0
    average: Annotated[
        float,
        Field(ge=0, lt=1, description="Decay of the exponential average of the weights. 0 turns it off."),
    ] = 0.999
    order: Annotated[
        Literal["jointly", "separately"],
        Field(
            description="Train all levels at once, or one after another, coarsest first, each with an "
            "equal part of the budget."
        ),
    ] = "jointly"
    scoring: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description="Part of the budget that is used to score pixels, if a split needs scores.",
        ),
    ] = 0.1
    scoring_images: Annotated[
        int, Field(ge=1, description="Number of images over which scores are averaged.")
    ] = 2000
    initial_images: Annotated[
        int, Field(ge=1, description="Number of images in a batch of the first pass over the data.")
    ] = 512
    validations: Annotated[int, Field(ge=1, description="Number of validations during the training.")] = 20
    validation_images: Annotated[
        int, Field(ge=1, description="Number of images of the validation split to use.")
    ] = 256
    validation_batch_size: Annotated[
        int, Field(ge=1, description="Number of images in a batch of validation.")
    ] = 128

    def decisive(self) -> dict[str, Any]:
        """Return the options for digests, without those marked ``Added`` that change nothing.

        So a new option changes no key of a recorded result, and runs that were started before it can go on.
        Every new option is marked (:class:`~flowzoo.component.Added`).
        """
        marks = {
            name: mark
            for name, option in type(self).model_fields.items()
            for mark in option.metadata
            if isinstance(mark, Added)
        }
        return {
            name: value
            for name, value in self.model_dump().items()
            if name not in marks or value != marks[name].before
        }


def parse_training_options(given: Mapping[str, Any]) -> TrainingOptions:
    """Check the trainer's options.

    Raises:
        OptionError: One is unknown, of the wrong type or out of range.
    """
    known = TrainingOptions.model_fields
    for name in given:
        if name not in known:
            hint = did_you_mean(str(name), known) or ";"
            raise OptionError(f"no training option '{name}'{hint} known: {', '.join(known)}")
    try:
        return TrainingOptions(**{name: plain_number(value) for name, value in given.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise OptionError(f"training.{name}={first['input']!r}: {first['msg']}") from error
