"""A model of nothing else."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import Builder, CascadeOptions, Level, Shape, Spec, cascade_model
from flowzoo_planted.coupling import Mistake


def build_model(
    shape: Shape,
    builder: Builder,
    *,
    mistake: Annotated[Mistake, Field(description="what its couplings get wrong")] = "none",
) -> list[Level]:
    """Build two levels, each of two couplings after a standardisation."""
    couplings = [Spec("planted", mistake=mistake, odd=odd) for odd in (False, True)]
    parts = [{"name": each.name, **each.options} for each in couplings]
    return cascade_model(
        shape,
        builder,
        options=CascadeOptions(
            levels=2,
            transform=Spec("haar"),
            split=Spec("keep-first-channels"),
            bijector=Spec("stack", parts=[{"name": "actnorm"}, *parts]),
        ),
    )
