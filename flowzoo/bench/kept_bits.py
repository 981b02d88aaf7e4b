"""Reads the bits/dim of each image that lie beside a record."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from flowzoo.bench.result import QUALITY, Result
from flowzoo.evaluation.image_conditions import CONDITIONS, ENDING, KEY, NAME, ImageConditions

ROUNDING = 1e-6
"""Largest difference, bits/dim, between a record's figure and the mean of its images."""


@dataclass(frozen=True)
class KeptBits:
    """Bits/dim of the first images of a split.

    Attributes:
        values: ``(N,)``, float64.
        conditions: The conditions under which they were measured.
    """

    values: NDArray[np.float64]
    conditions: ImageConditions

    def paired_with(self, other: KeptBits) -> bool:
        """Whether both are of the same images, in the same order, with noise of the same seed."""
        ours, theirs = self.conditions, other.conditions
        return len(self.values) == len(other.values) and all(
            getattr(ours, name) == getattr(theirs, name)
            for name in ("split", "images_revision", "bins", "seed")
        )


def paired_error(first: KeptBits | None, second: KeptBits | None) -> float | None:
    """Return the standard error of the mean difference of the same images; None if they are not the same."""
    if first is None or second is None or not first.paired_with(second) or len(first.values) < 2:
        return None
    return float(np.std(first.values - second.values, ddof=1)) / math.sqrt(len(first.values))


def read_kept_bits(folder: Path, result: Result) -> KeptBits | None:
    """Return the bits/dim of each image of a record; None if they are not there or do not belong to it.

    The file must have the SHA-256 that the record states, and the mean must be the record's figure.

    Args:
        folder: The record's folder.
        result: The record.
    """
    name = next((each for each in result.files if each.endswith(ENDING)), "")
    # A record may come from anyone, so it must not be able to make this read other files.
    if not name or name != Path(name).name or (folder / name).is_symlink():
        return None
    try:
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != result.files[name]:
            return None
        (length,) = struct.unpack("<Q", content[:8])
        conditions = CONDITIONS.validate_json(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
        values = load(content)[NAME].astype(np.float64)
    except (OSError, SafetensorError, ValidationError, KeyError, ValueError, TypeError, struct.error):
        return None
    figure = result.metrics[QUALITY].value if QUALITY in result.metrics else None
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or figure is None:
        return None
    if not math.isclose(float(values.mean()), figure, rel_tol=ROUNDING, abs_tol=ROUNDING):
        return None
    return KeptBits(values, conditions)
