"""Divides the values of a coupling into those that the network sees and those that change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from flowzoo.api import Images, Shape


class Partition(nn.Module, ABC):
    """Divides an image into values that stay, which the network sees, and values that change.

    Attributes:
        seen_channels: Number of channels of the image with the values that stay; 0 if there are none.
        moved_channels: Number of channels of the image with the values that change.
    """

    seen_channels: int
    moved_channels: int

    @abstractmethod
    def part(self, x: Images) -> tuple[Images, Images]:
        """Return ``seen`` and ``moved``."""

    @abstractmethod
    def join(self, seen: Images, moved: Images) -> Images:
        """Undo :meth:`part`, with what has become of ``moved``; places that do not change are ignored."""

    @abstractmethod
    def clear(self, values: Images) -> Images:
        """Set to zero all places that do not change, in an image laid out as ``moved``."""


@final
class Checkerboard(Partition):
    """Every second pixel changes, with all of its channels; ``moved`` is the whole image.

    Args:
        channels: ``C``.
        parity: Pixels with ``(row + column) % 2 == parity`` change, for any size of the image.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.4.
    """

    def __init__(self, channels: int, parity: int) -> None:
        super().__init__()
        self.seen_channels = self.moved_channels = channels
        self.parity = parity % 2

    def extra_repr(self) -> str:
        return f"parity={self.parity}"

    def part(self, x: Images) -> tuple[Images, Images]:
        return x.masked_fill(self._moves(x), 0.0), x

    def join(self, seen: Images, moved: Images) -> Images:
        return torch.where(self._moves(moved), moved, seen)

    def clear(self, values: Images) -> Images:
        return values.masked_fill(~self._moves(values), 0.0)

    def _moves(self, x: Images) -> Bool[Tensor, "height width"]:
        row = torch.arange(x.shape[-2], device=x.device)[:, None]
        column = torch.arange(x.shape[-1], device=x.device)
        return (row + column) % 2 == self.parity


@final
class Halves(Partition):
    """One half of the channels changes, and the network sees the other; a single channel changes by itself.

    Args:
        channels: ``C``.
        parity: With 0 the last ``C - C // 2`` channels change, with 1 the first ``C // 2``.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.4.
    """

    def __init__(self, channels: int, parity: int = 0) -> None:
        super().__init__()
        self.cut = channels // 2
        self.first_moves = parity % 2 == 1 and channels > 1
        sizes = self.cut, channels - self.cut
        self.moved_channels, self.seen_channels = sizes if self.first_moves else sizes[::-1]

    def extra_repr(self) -> str:
        return f"seen={self.seen_channels}, moved={self.moved_channels}"

    def part(self, x: Images) -> tuple[Images, Images]:
        first, last = x.split([self.cut, x.shape[1] - self.cut], dim=1)
        return (last, first) if self.first_moves else (first, last)

    def join(self, seen: Images, moved: Images) -> Images:
        return torch.cat([moved, seen] if self.first_moves else [seen, moved], dim=1)

    def clear(self, values: Images) -> Images:
        return values


def over_checkerboard(shape: Shape, place: int) -> Partition:
    """Return the checkerboard of the coupling at ``place``, or halves of the channels of a single pixel."""
    channels, height, width = shape
    return Checkerboard(channels, place) if height * width > 1 else Halves(channels, place)


def over_halves(shape: Shape, place: int) -> Partition:
    """Return the halves of channels of the coupling at ``place``, or a checkerboard over a single channel."""
    channels, height, width = shape
    return Halves(channels, place) if channels > 1 or height * width == 1 else Checkerboard(channels, place)
