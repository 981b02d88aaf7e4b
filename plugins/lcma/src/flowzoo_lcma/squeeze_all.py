"""The split of the model that gathers scores."""

from __future__ import annotations

from typing import final

from flowzoo.api import EVALUATION, Call, Images, Shape, SplitPolicy, Squeeze


@final
class SqueezeAll(SplitPolicy):
    """Keeps everything, squeezed: ``kept`` is ``(4C, H/2, W/2)``, and ``factored`` has no channels."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = Squeeze()

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        kept, _ = self.squeeze(y)
        return kept, kept[:, :0]

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps everything"
        return self.squeeze.inverse(kept)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        channels, height, width = self.squeeze.output_shape(shape)
        return (channels, height, width), (0, height, width)
