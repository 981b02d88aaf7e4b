"""The file of the bits/dim of each image: its place, its contents' names, and the conditions that it states.

It can be read without torch, by NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

NAME = "bits_per_dim"
"""Name of the tensor."""

ENDING = ".bits.safetensors"
"""How the file's name ends."""

KEY = "conditions"
"""Name of the metadata that hold the conditions."""


@dataclass(frozen=True)
class ImageConditions:
    """What decides the bits/dim of an image. Two figures of one image are paired if all but the last agree.

    Attributes:
        split: ``train``, ``validation`` or ``test``; the figures are those of its first images.
        images_revision: Content hash of the split's images.
        bins: How many integers a value can take.
        seed: Seed of the noise and the probes of each image.
        importance_samples: Random samples for each image.
        trace: How log-determinants were computed; empty for models that have them in closed form.
        weights: Digest of the model's weights.
    """

    split: str
    images_revision: str
    bins: int
    seed: int
    importance_samples: int
    trace: str
    weights: str


def bits_file(evaluation: Path) -> Path:
    """Return the file beside an evaluation in which the bits/dim of each image are kept.

    >>> bits_file(Path("run/evaluation-test.json")).as_posix()
    'run/evaluation-test.bits.safetensors'
    """
    return evaluation.with_suffix(ENDING)


CONDITIONS = TypeAdapter(ImageConditions)
"""Conditions as JSON, and back."""
