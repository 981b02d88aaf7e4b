"""The option of data sets that mirrors training images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Flips = Annotated[
    bool,
    Field(
        description="Mirror each training image left to right with probability 1/2, anew in each epoch. "
        "Evaluation never mirrors."
    ),
]
"""Annotation of the option ``flips``; :class:`~flowzoo.data.batches.ShuffledBatches` mirrors."""
