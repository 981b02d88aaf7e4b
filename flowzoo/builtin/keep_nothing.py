"""The last level's split."""

from __future__ import annotations

from typing import final

from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.shapes import Images, Shape
from flowzoo.split import SplitPolicy


@final
class KeepNothing(SplitPolicy):
    """Factors everything out, so that no level follows."""

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[None, Images]:
        return None, y

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is None, "this policy keeps nothing"
        return factored

    def shapes(self, shape: Shape) -> tuple[None, Shape]:
        return None, shape


def build_keep_nothing(shape: Shape, builder: Builder) -> KeepNothing:
    """Build :class:`KeepNothing`."""
    return KeepNothing()
