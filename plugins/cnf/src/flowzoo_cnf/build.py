"""Builds ``cnf``."""

from __future__ import annotations

from flowzoo.api import Builder, Shape
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.settings import Settings


def build_cnf(shape: Shape, context_shape: Shape | None, builder: Builder, *, options: Settings) -> CNF:
    """Build a :class:`~flowzoo_cnf.cnf.CNF` whose blocks are networks found by name."""
    fields = [
        builder.network(options.network, shape, shape[0], context_shape, timed=True)
        for _ in range(options.blocks)
    ]
    return CNF(fields, options)
