"""Converts nats to bits per dimension."""

from __future__ import annotations

import math

from flowzoo.shapes import PerImage


def bits_per_dim(log_prob: PerImage, dimensions: int, bins: int) -> PerImage:
    """Turn log-densities of dequantised images into bits per dimension of the integer images.

    ``bpd = -log p(x) / (D log 2) + log2 M``: an upper bound on the bits that the integer image costs.

    Args:
        log_prob: ``(B,)``, nats, densities of ``x = (a + u) / M`` in ``[0, 1)``.
        dimensions: ``D = C * H * W`` of the finest image, padding included.
        bins: ``M``, how many integers a value can take (256 for bytes).

    Returns:
        ``(B,)``, bits per dimension.
    """
    return nats_to_bits(-log_prob, dimensions) + math.log2(bins)


def nats_to_bits(nats: PerImage, dimensions: int) -> PerImage:
    """Divide nats per image by ``D log 2``."""
    return nats / (dimensions * math.log(2.0))
