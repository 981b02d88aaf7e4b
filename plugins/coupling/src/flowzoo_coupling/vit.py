"""A vision transformer as the network of couplings."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, Images, Network, Shape
from flowzoo_coupling.attention import Attention, Places, positions, require_heads
from flowzoo_coupling.inputs import input_channels, join_inputs
from flowzoo_coupling.rms_norm import RMSNorm


@final
class ViT(Network):
    """Transformer blocks over patches; the last layer starts at zero.

    An image is cut into square patches, padded with zeros below and on the right where they do not fit. Each
    patch sees all others. Its place enters as sines and cosines, so images may have any size.

    Args:
        channels: Number of input channels, with those of context and time.
        output_channels: Number of channels of the result.
        patch_size: Side of the patches, in pixels.
        width: Number of features of a patch.
        depth: Number of blocks.
        heads: Number of heads of attention, which divides ``width``.

    References:
        Dosovitskiy et al., An Image is Worth 16x16 Words, 2021; Kolesnikov et al., Jet: A Modern
        Transformer-Based Normalizing Flow, 2024.
    """

    def __init__(
        self, channels: int, output_channels: int, patch_size: int, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.first = nn.Linear(channels * patch_size**2, width)
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads) for _ in range(depth)])
        self.norm = RMSNorm(width)
        self.last = nn.Linear(width, output_channels * patch_size**2)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        height, width = x.shape[-2:]
        padding = (0, -width % self.patch_size, 0, -height % self.patch_size)
        cut = F.pixel_unshuffle(F.pad(join_inputs(x, context, time), padding), self.patch_size)
        rows, columns = cut.shape[-2:]
        patches = self.first(cut.flatten(2).mT)
        patches = self.blocks(patches + positions(rows, columns, patches.shape[-1], x))
        found = self.last(self.norm(patches)).mT.unflatten(2, (rows, columns))
        return F.pixel_shuffle(found, self.patch_size)[..., :height, :width].contiguous()


@final
class TransformerBlock(nn.Module):
    """Attention, then two linear layers at each place; each is added to what it gets.

    Args:
        width: Number of features of a place.
        heads: Number of heads of attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention = RMSNorm(width)
        self.attention = Attention(width, heads)
        self.pointwise = nn.Sequential(
            RMSNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, places: Places) -> Places:
        places = places + self.attention(self.before_attention(places))
        found: Places = places + self.pointwise(places)
        return found


def build_vit(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    patch_size: Annotated[int, Field(ge=1, description="Side of the square patches, in pixels.")] = 2,
    width: Annotated[int, Field(ge=1, description="Number of features of a patch.")] = 64,
    depth: Annotated[int, Field(ge=1, description="Number of transformer blocks.")] = 2,
    heads: Annotated[int, Field(ge=1, description="Number of heads of attention, which divides width.")] = 4,
) -> ViT:
    """Build a :class:`ViT`.

    Raises:
        OptionError: ``heads`` does not divide ``width``.
    """
    require_heads("vit", width, heads)
    channels = input_channels(shape, context_shape, timed)
    return ViT(channels, output_channels, patch_size, width, depth, heads)
