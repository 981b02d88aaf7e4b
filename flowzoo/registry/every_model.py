"""The options that every model has besides those of its own builder, which does not get them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, get_type_hints

from pydantic import Field

from flowzoo.component import Added, DequantisationSpec, Spec

UNIFORM = "uniform"
"""The dequantisation of every model and record that names no other."""


@dataclass(frozen=True, kw_only=True)
class EveryModel:
    """Options of every model."""

    dequantisation: Annotated[
        DequantisationSpec,
        Added(before={"name": UNIFORM}),
        Field(description="Noise that makes integer images continuous."),
    ] = Spec(UNIFORM)
    classes: Annotated[
        int,
        Added(before=0),
        Field(ge=0, le=1000, description="Classes of the labels that it is given. 0: none."),
    ] = 0
    class_dropout: Annotated[
        float,
        Added(before=0.1),
        Field(ge=0, lt=1, description="Share of labels hidden in training."),
    ] = 0.1


BEFORE: dict[str, Any] = {
    name: mark.before
    for name, hint in get_type_hints(EveryModel, include_extras=True).items()
    for mark in hint.__metadata__
    if isinstance(mark, Added)
}
"""What records mean that do not hold one of these options, since they are older."""

OF_EVERY_MODEL = frozenset(each.name for each in fields(EveryModel))
