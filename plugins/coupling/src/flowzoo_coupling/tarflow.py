"""TarFlow: masked autoregressive transformers over patches, in alternating orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import Builder, Shape, Stack
from flowzoo_coupling.attention import require_heads
from flowzoo_coupling.autoregressive import AutoregressiveBlock, Inverse
from flowzoo_coupling.causal_transformer import CausalTransformer
from flowzoo_coupling.patches import Order, patch_grid


def build_tarflow(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    patch_size: Annotated[
        int | None,
        Field(
            ge=1,
            description="Side of the square patches. None: the smallest that leaves at most 64 patches.",
        ),
    ] = None,
    blocks: Annotated[int, Field(ge=1, description="Number of blocks, each with a transformer.")] = 4,
    orders: Annotated[
        tuple[Order, ...],
        Field(min_length=1, description="Orders of the patches, which the blocks take in turn."),
    ] = ("raster", "raster-reversed"),
    width: Annotated[int, Field(ge=4, description="Number of channels of the transformers.")] = 128,
    depth: Annotated[int, Field(ge=1, description="Number of layers of each transformer.")] = 2,
    heads: Annotated[int, Field(ge=1, description="Number of heads of attention; divides width.")] = 4,
    scale_limit: Annotated[float, Field(gt=0, description="Largest absolute log-spread in a block.")] = 6.0,
    inverse: Annotated[
        Inverse,
        Field(
            description="Invert patch by patch (sequential), or by repeated passes over all patches (jacobi)."
        ),
    ] = "sequential",
    tolerance: Annotated[
        float,
        Field(ge=0, description="Jacobi: relative change at which the repetitions end. 0: at rounding."),
    ] = 0.0,
) -> Stack:
    """Build a stack of :class:`~flowzoo_coupling.autoregressive.AutoregressiveBlock`.

    Raises:
        ShapeError: The image cannot be cut into patches.
        OptionError: The heads do not divide the width.

    References:
        Zhai et al., "Normalizing Flows are Capable Generative Models", 2024.
    """
    require_heads("tarflow", width, heads)
    grid = patch_grid(shape, patch_size)
    return Stack(
        [
            AutoregressiveBlock(
                grid,
                orders[place % len(orders)],
                CausalTransformer(grid.patches, grid.values, 2 * grid.values, width, depth, heads),
                context_shape[0] if context_shape else None,
                scale_limit,
                inverse,
                tolerance,
            )
            for place in range(blocks)
        ]
    )
