"""Bijectors one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.builtin.turns import Turn, turns_of
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Added, BijectorSpec, Builder
from flowzoo.errors import OptionError
from flowzoo.part_list import PartList
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits, merged

Training = Literal["jointly", "greedy"]


@final
class Stack(ConditionalBijector):
    """Bijectors one after another, all given the same context: ``z = g_n(... g_1(x | c) ... | c)``.

    ``log_det`` is the sum of the parts'. The last part decides the loss: what it trains on, minus the
    ``log_det`` of the parts before it.

    In greedy training every part that has parameters is the last one in a phase of its own: it trains on its
    own objective, the parts before it are fixed, and those after it are left out.

    Args:
        parts: The bijectors, in the order in which data pass them.
        training: Whether the parts train together or greedily.
        shares: Shares of the budget in greedy training, one for each part; 0 for parts without parameters.
            By default all parts with parameters have equal shares.

    Raises:
        OptionError: There are no parts; parts that train together do not fit: one before the last, which
            trains on its likelihood as a step on the way to the last, does not do so, or the last does not
            train on its likelihood and a part before it has parameters, which would get no gradient from it;
            or the shares do not fit the parts.
    """

    def __init__(
        self,
        parts: Sequence[ConditionalBijector],
        training: Training = "jointly",
        shares: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not parts:
            raise OptionError(
                "stack: parts is empty. Give at least one part; to do nothing, use the bijector 'identity'"
            )
        if shares is not None and training != "greedy":
            raise OptionError(
                "stack: shares divide the budget of greedy training. Set training=greedy, or leave shares out"
            )
        self.parts = PartList(parts, ConditionalBijector)
        self.training_of_parts = training
        self.shares = shares
        self._refuse_untrainable()

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # those of the present parts
        found = merged(part.traits for part in self.parts)
        return replace(found, loss_is_likelihood=False) if self._turns else found

    @property
    def phases(self) -> tuple[Phase, ...]:  # type: ignore[override]  # those of the present parts
        return tuple(turn.phase for turn in self._turns)

    @property
    def _turns(self) -> list[Turn]:
        """The parts' turns in greedy training; none where they train together."""
        return turns_of(list(self.parts), self.shares) if self.training_of_parts == "greedy" else []

    def _refuse_untrainable(self) -> None:
        """Refuse parts that would get no gradient; they may have been replaced since the stack was built."""
        if self._turns:
            return
        *earlier, last = self.parts
        if not all(part.traits.loss_is_likelihood for part in earlier):
            raise OptionError(
                "stack: only the last part may have another objective than its likelihood. "
                "Set objective=likelihood for the parts before it, or training=greedy for the stack"
            )
        if not last.traits.loss_is_likelihood and any(True for part in earlier for _ in part.parameters()):
            raise OptionError(
                "stack: the last part does not train on its likelihood, so parameters of the parts before "
                "it would get no gradient. Set the last part's objective=likelihood, or reorder the parts, "
                "or set training=greedy for the stack"
            )

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        return self._through(list(self.parts), x, context, call)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        for part in self.parts:
            x, contributions = checked.forward_with_contributions(part, x, contributions, context, call)
        return x, contributions

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        for part in reversed(self.parts):
            z = checked.inverse(part, z, context, call)
        return z

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        """Return the last part's loss; in a phase of greedy training that of the part whose turn it is."""
        parts = list(self.parts)
        turn = next((each for each in self._turns if each.phase.name == call.solver.phase), None)
        if turn is None:
            if not torch.compiler.is_compiling():  # a step that is not compiled comes first
                self._refuse_untrainable()
            y, log_det = self._through(parts[:-1], x, context, call)
            return checked.loss(parts[-1], y, context, call) - log_det
        with torch.no_grad():
            y, log_det = self._through(parts[: turn.place], x, context, replace(call, mode="evaluate"))
        return checked.loss(parts[turn.place], y, context, call.solving(phase=turn.within)) - log_det

    def _through(
        self, parts: Sequence[ConditionalBijector], x: Images, context: Images | None, call: Call
    ) -> tuple[Images, PerImage]:
        total: PerImage | None = None
        for part in parts:
            x, log_det = checked.forward(part, x, context, call)
            total = log_det if total is None else total + log_det
        return x, constant_log_det(x, 0.0) if total is None else total


def build_stack(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    parts: Annotated[
        list[BijectorSpec],
        Field(min_length=1, description="Bijectors, in the order in which data meet them."),
    ],
    training: Annotated[
        Training,
        Added(before="jointly"),
        Field(
            description="Train the parts together (jointly), or one after another, each on its own objective "
            "with the parts before it fixed (greedy)."
        ),
    ] = "jointly",
    shares: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]] | None,
        Added(before=None),
        Field(
            description="Greedy: share of the budget for each part, 0 for one that has nothing to train. "
            "None: equal shares."
        ),
    ] = None,
) -> Stack:
    """Build :class:`Stack`."""
    return Stack([builder.bijector(part, shape, context_shape) for part in parts], training, shares)
