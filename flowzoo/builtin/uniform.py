"""Uniform noise, as a component."""

from __future__ import annotations

from flowzoo.component import Builder
from flowzoo.dequantisation import Uniform
from flowzoo.shapes import Shape


def build_uniform(shape: Shape, builder: Builder) -> Uniform:
    """Build :class:`~flowzoo.dequantisation.Uniform`."""
    return Uniform()
