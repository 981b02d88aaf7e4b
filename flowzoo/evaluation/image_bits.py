"""Bits/dim of each image, kept beside an evaluation so that two models can be compared image by image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from flowzoo.data.dataset import DatasetInfo
from flowzoo.files import write_atomically

_NAME = "bits_per_dim"

_KEY = "conditions"


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


@dataclass(frozen=True)
class ImageBits:
    """Bits/dim of the first images of a split.

    Attributes:
        values: ``(N,)``, float64.
        conditions: The conditions under which they were measured.
    """

    values: Tensor
    conditions: ImageConditions


def split_revision(info: DatasetInfo, split: str) -> str:
    """Return the content hash of a split's images; that of the whole data set where only this is known."""
    return info.revisions.get(split, info.revision)


def bits_file(evaluation: Path) -> Path:
    """Return the file beside an evaluation in which the bits/dim of each image are kept.

    >>> bits_file(Path("run/evaluation-test.json")).as_posix()
    'run/evaluation-test.bits.safetensors'
    """
    return evaluation.with_suffix(".bits.safetensors")


def write_bits(bits: ImageBits, path: Path) -> None:
    """Write the bits/dim of images.

    Raises:
        FileError: The file cannot be written.
    """
    conditions = _CONDITIONS.dump_json(bits.conditions).decode()
    write_atomically(path, save({_NAME: bits.values.contiguous()}, metadata={_KEY: conditions}))


def read_bits(path: Path) -> ImageBits | None:
    """Return the bits/dim of images, or None if there is no such file or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            conditions = _CONDITIONS.validate_json((file.metadata() or {})[_KEY])
            values = file.get_tensor(_NAME)
    except (OSError, SafetensorError, KeyError, ValidationError):
        return None
    whole = values.ndim == 1 and len(values) > 0 and bool(values.isfinite().all())
    return ImageBits(values.to(torch.float64), conditions) if whole else None


_CONDITIONS = TypeAdapter(ImageConditions)
