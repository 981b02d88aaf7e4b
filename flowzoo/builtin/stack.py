"""Bijectors one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, final

from pydantic import Field

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.call import EVALUATION, Call
from flowzoo.component import BijectorSpec, Builder
from flowzoo.errors import OptionError
from flowzoo.part_list import PartList
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits, merged


@final
class Stack(ConditionalBijector):
    """Bijectors one after another, all given the same context: ``z = g_n(... g_1(x | c) ... | c)``.

    ``log_det`` is the sum of the parts'. The last part decides the loss: what it trains on, minus the
    ``log_det`` of the parts before it.

    Args:
        parts: The bijectors, in the order in which data pass them.

    Raises:
        OptionError: There are no parts; one before the last, which trains on its likelihood as a step on the
            way to the last, does not do so; or the last does not train on its likelihood and a part before it
            has parameters, which would get no gradient from it.
    """

    def __init__(self, parts: Sequence[ConditionalBijector]) -> None:
        super().__init__()
        if not parts:
            raise OptionError(
                "stack: parts is empty. Give at least one part; to do nothing, use the bijector 'identity'"
            )
        self.parts = PartList(parts, ConditionalBijector)
        self._refuse_untrainable()

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # those of the present parts
        return merged(part.traits for part in self.parts)

    def _refuse_untrainable(self) -> None:
        """Refuse parts that would get no gradient; they may have been replaced since the stack was built."""
        *earlier, last = self.parts
        if not all(part.traits.loss_is_likelihood for part in earlier):
            raise OptionError(
                "stack: only the last part may have another objective than its likelihood. "
                "Set objective=likelihood for the parts before it"
            )
        if not last.traits.loss_is_likelihood and any(True for part in earlier for _ in part.parameters()):
            raise OptionError(
                "stack: the last part does not train on its likelihood, so parameters of the parts before "
                "it would get no gradient. Set the last part's objective=likelihood, or reorder the parts"
            )

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        total = constant_log_det(x, 0.0)
        for part in self.parts:
            x, log_det = checked.forward(part, x, context, call)
            total = total + log_det
        return x, total

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
        self._refuse_untrainable()
        *earlier, last = self.parts
        total = constant_log_det(x, 0.0)
        for part in earlier:
            x, log_det = checked.forward(part, x, context, call)
            total = total + log_det
        return checked.loss(last, x, context, call) - total


def build_stack(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    parts: Annotated[
        list[BijectorSpec],
        Field(min_length=1, description="Bijectors, in the order in which data meet them."),
    ],
) -> Stack:
    """Build :class:`Stack`."""
    return Stack([builder.bijector(part, shape, context_shape) for part in parts])
