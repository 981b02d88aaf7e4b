"""A stage of training: the levels that train together, in one of their phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from flowzoo.bijector import Phase
from flowzoo.call import Call
from flowzoo.data.dataset import Dataset
from flowzoo.errors import OptionError, did_you_mean
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.phase_names import own_name
from flowzoo.phases import WHOLE, common_phases
from flowzoo.scaling import coarse_shape
from flowzoo.scoring import scored_levels
from flowzoo.shapes import IntegerImages
from flowzoo.training.validation import validate

ALL_LEVELS = "all levels"
"""How names of stages begin in which the whole model trains."""

LIKELIHOOD = "likelihood"
"""The objective of a stage whose loss is the negative log-likelihood, in bits/dim."""


@dataclass(frozen=True)
class Stage:
    """Levels that train together, for one of the phases that they go through.

    Attributes:
        levels: Places of the levels, 0 being the finest.
        whole: Whether they are all levels of the model.
        scoring: Whether the model that gathers scores trains; it is not kept.
        share: Part of the budget.
        phases: What the levels go through, a stage each; a scoring model the first one only.
        turn: Which of the phases this stage is.
    """

    levels: tuple[int, ...]
    whole: bool
    scoring: bool = False
    share: float = 1.0
    phases: tuple[Phase, ...] = WHOLE
    turn: int = 0

    @property
    def phase(self) -> Phase:
        return self.phases[self.turn]

    @property
    def continues(self) -> bool:
        """Whether the stage before it trained the same levels."""
        return self.turn > 0

    @property
    def name(self) -> str:
        if self.scoring:
            return "scoring"
        places = ", ".join(str(each) for each in self.levels)
        levels = ALL_LEVELS if self.whole else f"level{'s' if len(self.levels) > 1 else ''} {places}"
        return f"{levels}, {self.phase.name}" if len(self.phases) > 1 else levels

    def objective(self, flow: Flow) -> str:
        """Return what the stage minimises: :data:`LIKELIHOOD`, or the name of its phase."""
        levels = [flow.level(index) for index in self.levels]
        parts = [part for level in levels for part in (level.joint, level.conditional)]
        if all(part.traits.loss_is_likelihood for part in parts):
            return LIKELIHOOD
        return self.phase.name or "its own objective"

    def modules(self, flow: Flow) -> list[nn.Module]:
        """Return the parts of the model that the stage trains."""
        return [flow] if self.whole else [flow.level(index) for index in self.levels]

    def parameters(self, flow: Flow) -> list[nn.Parameter]:
        """Return the parameters that the stage trains."""
        return [parameter for module in self.modules(flow) for parameter in module.parameters()]

    def loss(self, flow: Flow, images: IntegerImages, call: Call) -> Tensor:
        """Return what the stage minimises, a scalar, in bits per dimension of the finest image."""
        return flow.batch_loss(images, call, None if self.whole else self.levels)

    def checked_loss(self, flow: Flow, images: IntegerImages, call: Call) -> Tensor:
        """Return :meth:`loss` of images that have been checked."""
        return flow.checked_batch_loss(images, call, None if self.whole else self.levels)

    def validate(
        self,
        flow: Flow,
        dataset: Dataset,
        options: TrainingOptions,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> tuple[float, float]:
        """Return the stage's share of bits/dim on the validation split, and its standard error."""
        return validate(
            flow,
            dataset.split("validation"),
            levels=self.levels,
            images=options.validation_images,
            batch_size=options.validation_batch_size,
            progress=progress,
        )


def plan_stages(flow: Flow, options: TrainingOptions, finest: int | None = None) -> list[Stage]:
    """Return the stages in the order in which they train.

    A model whose splits need scores begins with a scoring stage; one without parameters has no other.

    Args:
        flow: The model.
        options: The options of the training.
        finest: Train only so many levels, the finest ones; None for all.

    Raises:
        OptionError: Levels that depend on each other are to be trained separately, bijectors that train
            together have different phases, an option names a phase that does not exist, or an adversarial
            term does not fit the stages.
    """
    places = range(len(flow.levels) if finest is None else finest)
    if options.order == "jointly":
        stages = [Stage(tuple(places), whole=len(places) == len(flow.levels))]
    elif flow.separable:
        stages = [Stage((place,), whole=len(flow.levels) == 1) for place in reversed(places)]
    else:
        raise OptionError(
            "the levels of this model depend on each other's parameters and cannot be trained separately; "
            "set training.order=jointly"
        )
    stages = [stage for stage in stages if stage.parameters(flow)]
    scoring = options.scoring if scored_levels(flow) else 0.0
    planned: list[Stage] = []
    if scoring:
        phases = common_phases([flow])[:1]
        planned.append(Stage(tuple(places), whole=True, scoring=True, share=scoring, phases=phases))
    for stage in stages:
        share = (1.0 - scoring) / len(stages)
        phases = common_phases(stage.modules(flow))
        planned += [
            replace(stage, share=share * phase.share, phases=phases, turn=turn)
            for turn, phase in enumerate(phases)
        ]
    _require_phases(options, planned)
    if options.adversarial is not None:
        _require_opposable(flow, planned, options)
    return planned


def _require_phases(options: TrainingOptions, stages: list[Stage]) -> None:
    whole = dict.fromkeys(stage.phase.name for stage in stages if stage.phase.name)
    names = whole | dict.fromkeys(map(own_name, whole))
    for asked in options.clip if isinstance(options.clip, dict) else ():
        if asked not in names:
            quoted = ", ".join(f"'{each}'" for each in names)
            known = f"phases: {quoted}" if names else "this model trains in no phases with names"
            raise OptionError(
                f"training.clip names the phase '{asked}', which does not exist"
                f"{did_you_mean(asked, names) or ';'} {known}"
            )


def _require_opposable(flow: Flow, stages: list[Stage], options: TrainingOptions) -> None:
    """Refuse stages in which an adversarial term makes no sense.

    Raises:
        OptionError: Nothing trains, there are several phases, whole images are compared while single levels
            train, or the levels keep no images.
    """
    off = "leave training.adversarial out"
    if not stages:
        raise OptionError(f"nothing of this model trains by steps, so nothing can be adversarial: {off}")
    phases = next((stage.phases for stage in stages if len(stage.phases) > 1), None)
    if phases is not None:
        raise OptionError(
            f"the model trains in phases ({', '.join(each.name for each in phases)}), in which only part of "
            "it trains or by another objective, and an adversarial term trains all of it. Set "
            "precondition=null and an objective of one phase, such as objective=likelihood, or " + off
        )
    if options.adversarial == "image":
        if not all(0 in stage.levels for stage in stages):
            raise OptionError(
                "training.adversarial=image compares whole images, and with training.order=separately "
                "levels train alone. Set training.adversarial=levels or training.order=jointly"
            )
        return
    try:
        coarse_shape(flow, len(flow.levels) - 1)
    except OptionError as error:
        reason = str(error).split(". ")[0]
        raise OptionError(
            f"training.adversarial=levels compares the levels' images, but {reason}. "
            "Set training.adversarial=image"
        ) from error
