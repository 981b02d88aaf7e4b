"""Validation: every image meets the settings that components have kept of a pilot."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.call import EVALUATION, Call, per_image_generators
from flowzoo.data.dataset import TensorImages
from flowzoo.errors import DataError
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.shapes import Images
from flowzoo.training.validation import SEED, validate


class Settling(ConditionalBijector):
    """Divides by what it remembers, or else by the largest value of its batch, which it keeps.

    With ``keeps=False`` it is the identity. Either way it tells which images came by, by the number that
    each shows, what it remembered, and whether that was frozen.
    """

    def __init__(self, keeps: bool = True) -> None:
        super().__init__()
        self.keeps = keeps
        self.calls: list[tuple[list[int], float | None, bool]] = []

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        remembered = call.solver.recall(self, "largest")
        numbers = (x[:, 0, 0, 0] * 256).floor().int().tolist()
        self.calls.append(
            (numbers, remembered, call.solver.warm_start is not None and call.solver.warm_start.frozen)
        )
        if not self.keeps:
            return x, x.new_zeros(len(x))
        largest = float(x.max()) if remembered is None else remembered
        call.solver.keep(self, "largest", largest)
        return x / largest, x.new_full((len(x),), -math.log(largest) * x[0].numel())

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        raise NotImplementedError


def numbered(count: int = 80, channels: int = 1) -> TensorImages:
    numbers = torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return TensorImages(numbers.expand(-1, channels, 2, 2).contiguous())


def one_level(bijector: ConditionalBijector) -> Flow:
    return Flow(
        (1, 2, 2), [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), bijector)], Affine()
    )


def test_the_pilot_is_spread_over_the_images_used_and_settles_what_all_of_them_meet() -> None:
    settling = Settling()
    flow = one_level(settling)
    first = validate(flow, numbered(), levels=(0,), images=64, batch_size=40)
    pilot, *batches = settling.calls
    assert pilot == (list(range(0, 64, 2)), None, False)
    largest = batches[0][1]
    assert largest is not None
    assert 62 <= largest * 256 < 63
    assert batches == [(list(range(40)), largest, True), (list(range(40, 64)), largest, True)]
    assert validate(flow, numbered(), levels=(0,), images=64, batch_size=40) == first
    assert settling.calls[3] == pilot


def test_the_pilot_is_no_larger_than_a_batch() -> None:
    settling = Settling()
    validate(one_level(settling), numbered(10), levels=(0,), images=64, batch_size=4)
    assert [images for images, *_ in settling.calls] == [[0, 2, 5, 7], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_where_nothing_is_kept_no_image_is_measured_twice() -> None:
    settling = Settling(keeps=False)
    flow = one_level(settling)
    bits, error = validate(flow, numbered(), levels=(0,), images=70, batch_size=40)
    assert sorted(image for images, *_ in settling.calls for image in images) == list(range(70))
    call = Call(generator=per_image_generators(SEED, range(70)))
    expected = flow.bits_per_dim(numbered().take(range(70)), call).double()
    assert bits == pytest.approx(float(expected.mean()), rel=1e-6)
    assert error == pytest.approx(float(expected.std()) / math.sqrt(70), rel=1e-5)


def test_levels_by_themselves_add_up_and_only_they_are_piloted() -> None:
    fine, coarse = Settling(), Settling()
    levels = [
        Level(IdentityTransform(), IdentityBijector(), KeepFirstChannels(2), fine),
        Level(IdentityTransform(), IdentityBijector(), KeepNothing(), coarse),
    ]
    flow = Flow((2, 2, 2), levels, Affine())
    source = numbered(channels=2)
    shares = []
    for place, (settling, other) in enumerate([(fine, coarse), (coarse, fine)]):
        other.calls.clear()
        shares.append(validate(flow, source, levels=(place,), images=64, batch_size=64)[0])
        assert [frozen for *_, frozen in settling.calls[-2:]] == [False, True]
        assert not other.calls
    pixels = math.log2(256)
    together, _ = validate(flow, source, levels=(0, 1), images=64, batch_size=64)
    assert sum(shares) + pixels == pytest.approx(together, rel=1e-6)


def test_images_that_are_not_there_are_missed_in_one_line() -> None:
    with pytest.raises(DataError, match="validation split holds no images"):
        validate(one_level(Settling()), numbered(0), levels=(0,), images=8, batch_size=8)
