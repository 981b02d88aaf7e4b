"""The transform between MRCNF's resolutions."""

from __future__ import annotations

from flowzoo.api import BlockMean, Builder, Shape, require_even


def build_unimodular(shape: Shape, builder: Builder) -> BlockMean:
    """Build the volume-preserving sibling of the Haar transform.

    The coarse image is the mean of each 2x2 block and the details are its three signed sums times
    ``2**(-2/3)``, which makes the log-determinant 0.

    Raises:
        ShapeError: Height or width is odd.

    References:
        Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024.
    """
    require_even(shape, "unimodular")
    return BlockMean(detail_scale=2.0 ** (-2.0 / 3.0))
