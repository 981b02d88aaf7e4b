"""Bits/dim of each image, kept beside an evaluation so that two models can be compared image by image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from flowzoo.data.dataset import DatasetInfo
from flowzoo.evaluation.image_conditions import CONDITIONS, KEY, NAME
from flowzoo.evaluation.image_conditions import ImageConditions as ImageConditions
from flowzoo.evaluation.image_conditions import bits_file as bits_file
from flowzoo.files import write_atomically


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


def write_bits(bits: ImageBits, path: Path) -> None:
    """Write the bits/dim of images.

    Raises:
        FileError: The file cannot be written.
    """
    conditions = CONDITIONS.dump_json(bits.conditions).decode()
    write_atomically(path, save({NAME: bits.values.contiguous()}, metadata={KEY: conditions}))


def read_bits(path: Path) -> ImageBits | None:
    """Return the bits/dim of images, or None if there is no such file or it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            conditions = CONDITIONS.validate_json((file.metadata() or {})[KEY])
            values = file.get_tensor(NAME)
    except (OSError, SafetensorError, KeyError, ValidationError):
        return None
    whole = values.ndim == 1 and len(values) > 0 and bool(values.isfinite().all())
    return ImageBits(values.to(torch.float64), conditions) if whole else None
