"""The options that every model has besides those of its own builder, which does not get them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

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


OF_EVERY_MODEL = frozenset(each.name for each in fields(EveryModel))
