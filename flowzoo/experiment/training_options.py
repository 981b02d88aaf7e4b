"""What can be set about training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowzoo.component import Added
from flowzoo.errors import OptionError, did_you_mean
from flowzoo.integers import MOST, plain_number
from flowzoo.phase_names import own_name

CLIP = 100.0
"""Default of the largest norm of the gradient."""

CLIP_FORMS = (
    "give a finite number above 0, or one for each phase, with a blank after the colon: {flow-matching: 1}"
)
"""What ``clip`` may be."""

ADVERSARIAL_CLIP = 50.0
"""Default of the largest norm of an adversarial term's gradient (Voleti et al., 2024, appendix F)."""

MOST_IMAGES = 2**20
"""Largest number of images in a step."""

Norm = Annotated[float, Field(gt=0)]


class TrainingOptions(BaseModel):
    """Options of the trainer; the defaults follow the papers: Adam, warm-up, clipped gradients."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    batch_size: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_IMAGES,
            description="Number of images in a batch, and in a step unless accumulate is set.",
        ),
    ] = 64
    accumulate: Annotated[
        int,
        Added(before=1),
        Field(
            ge=1,
            le=MOST_IMAGES,
            description="Number of batches in a step. Their gradients are averaged, so a step is like one "
            "with a larger batch, but needs the memory of one batch.",
        ),
    ] = 1
    optimiser: Annotated[
        Literal["adam", "adamw", "adamax", "muon"],
        Field(
            description="Optimiser: Adam, AdamW or Adamax of torch.optim; or muon, which is Adam for all but "
            "the weights of wide layers, whose steps are made orthogonal."
        ),
    ] = "adam"
    weight_decay: Annotated[
        float,
        Added(before=0.0),
        Field(
            ge=0,
            description="Decay of the weights of linear layers and convolutions, with optimiser=adamw. "
            "Biases, scales and other parameters do not decay.",
        ),
    ] = 0.0
    learning_rate: Annotated[float, Field(gt=0, description="Learning rate after the warm-up.")] = 1e-3
    warmup: Annotated[
        int, Field(ge=0, le=MOST, description="Number of steps over which the learning rate rises from 0.")
    ] = 100
    warmup_share: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None,
        Added(before=None),
        Field(
            description="Largest part of a stage over which the learning rate rises, where the stage is "
            "short. None: 0.1 for the parts of a greedy stack, no limit for all other stages."
        ),
    ] = None
    schedule: Annotated[
        Literal["cosine", "constant"],
        Field(description="How the learning rate changes after the warm-up: cosine lets it fall to 0."),
    ] = "cosine"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        Field(description="Precision of matrix products in training. Evaluation uses float32."),
    ] = "float32"
    compile: Annotated[
        bool,
        Added(before=False),
        Field(
            description="Compile the loss and its gradient by torch.compile. It stays the same up to "
            "rounding. On the CPU compiling takes minutes, needs a C++ compiler and gains little."
        ),
    ] = False
    clip: Annotated[
        Norm | dict[str, Norm],
        Field(
            description="Largest norm of the gradient of bits/dim. A longer gradient is scaled down. A "
            "mapping, such as {flow-matching: 1}, holds one for each phase. Phases that it leaves out have "
            "the default. A greedy stack has phases such as 'part 2, flow-matching', and flow-matching "
            "names them too."
        ),
    ] = CLIP
    adversarial: Annotated[
        Literal["image", "levels"] | None,
        Added(before=None),
        Field(
            description="Train against a discriminator of samples too: of whole images (image), or one for "
            "each level (levels). None: by the objective alone."
        ),
    ] = None
    adversarial_weight: Annotated[
        float, Added(before=0.1), Field(gt=0, description="Weight of the adversarial term.")
    ] = 0.1
    adversarial_learning_rate: Annotated[
        float,
        Added(before=1e-3),
        Field(gt=0, description="Learning rate of the discriminators. It follows the model's schedule."),
    ] = 1e-3
    adversarial_start: Annotated[
        float,
        Added(before=0.0),
        Field(ge=0, lt=1, description="Part of a stage's budget after which the adversarial term begins."),
    ] = 0.0
    adversarial_clip: Annotated[
        Norm,
        Added(before=ADVERSARIAL_CLIP),
        Field(
            description="Largest norm of the adversarial term's gradient. It is clipped before it is added "
            "to the objective's, and the sum is clipped by clip."
        ),
    ] = ADVERSARIAL_CLIP
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
    clock: Annotated[
        Literal["wall", "processor"],
        Added(before="wall"),
        Field(
            description="What seconds are, of a budget and of the log: wall is the time that passes; "
            "processor is the time that this process computes on all of its cores together, so that "
            "other programs on the machine change it little. On the CPU only."
        ),
    ] = "wall"
    scoring: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description="Part of the budget that is used to score pixels, if a split needs scores.",
        ),
    ] = 0.1
    scoring_images: Annotated[
        int, Field(ge=1, le=MOST, description="Number of images over which scores are averaged.")
    ] = 2000
    initial_images: Annotated[
        int, Field(ge=1, le=MOST, description="Number of images in a batch of the first pass over the data.")
    ] = 512
    validations: Annotated[
        int, Field(ge=1, le=MOST, description="Number of validations during the training.")
    ] = 20
    validation_images: Annotated[
        int, Field(ge=1, le=MOST, description="Number of images of the validation split to use.")
    ] = 256
    validation_batch_size: Annotated[
        int, Field(ge=1, le=MOST, description="Number of images in a batch of validation.")
    ] = 128

    @property
    def images_per_step(self) -> int:
        """Number of images in a step."""
        return self.batch_size * self.accumulate

    def clip_in(self, phase: str) -> float:
        """Return the largest norm of the gradient in a phase, by its whole name, then by its own."""
        if not isinstance(self.clip, dict):
            return self.clip
        return self.clip.get(phase, self.clip.get(own_name(phase), CLIP))

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
        options = TrainingOptions(**{name: plain_number(value) for name, value in given.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        # What pydantic says of a union is about its first kind, whichever was meant.
        reason = CLIP_FORMS if name == "clip" else first["msg"]
        raise OptionError(f"training.{name}={given[name]!r:.80}: {reason}") from error
    if options.images_per_step > MOST_IMAGES:
        raise OptionError(
            f"training.batch_size={options.batch_size} times training.accumulate={options.accumulate} are "
            f"{options.images_per_step} images in a step. Choose numbers whose product is at most "
            f"{MOST_IMAGES}"
        )
    if options.weight_decay and options.optimiser != "adamw":
        raise OptionError(
            f"training.weight_decay={options.weight_decay:g} needs AdamW, and the optimiser is "
            f"{options.optimiser}. Set training.optimiser=adamw"
        )
    _require_adversarial(options)
    return options


def _require_adversarial(options: TrainingOptions) -> None:
    """Refuse settings of an adversarial term where there is none."""
    if options.adversarial is not None:
        return
    for name, option in type(options).model_fields.items():
        value = getattr(options, name)
        if name.startswith("adversarial_") and value != option.default:
            raise OptionError(
                f"training.{name}={value:g} needs an adversarial term. Set training.adversarial=image or "
                f"levels, or leave training.{name} out"
            )
