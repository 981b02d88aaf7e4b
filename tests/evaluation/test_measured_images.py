"""Images that are no fair sample are found: copies, images that change, and images that were trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from flowzoo.data.dataset import TensorImages
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.evaluation.measured_images import trained_on
from flowzoo.registry.models import create_model
from flowzoo.shapes import IntegerImages

SHAPE = (1, 4, 4)


def drawn(count: int) -> IntegerImages:
    images = np.random.default_rng(0).integers(0, 256, (count, *SHAPE))
    return torch.from_numpy(images.astype(np.uint8))


class Turned(TensorImages):
    """Images that are mirrored every other time that they are read, as training images may be."""

    reads = 0

    def take(self, indices: Sequence[int]) -> IntegerImages:
        self.reads += 1
        images = super().take(indices)
        return images.flip(-1) if self.reads % 2 else images


def objections(source: TensorImages) -> list[str]:
    flow = create_model("gaussian", SHAPE, pixels="affine")
    flow.initialise([drawn(100)])
    found = evaluate_likelihood(flow, source, audit=False)
    return [each for each in found.objections if "not audited" not in each]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (TensorImages(drawn(20)), ""),
        (Turned(drawn(20)), "returned another image"),
        (TensorImages(drawn(4).repeat(5, 1, 1, 1)), "only 4 of the 20 images differ"),
        (TensorImages(drawn(15).repeat(2, 1, 1, 1)[:20]), ""),
    ],
)
def test_images_that_change_or_are_copies_are_no_split(source: TensorImages, said: str) -> None:
    found = objections(source)
    assert len(found) == bool(said)
    assert all(said in each for each in found)


def test_images_that_were_trained_on_are_named() -> None:
    shared, sizes = {"test in train": 30, "validation in train": 4}, {"test": 100, "validation": 100}
    (said,) = trained_on(shared, sizes, "test", (1, 8, 8), 256)
    assert "30 of the 100 images of the split 'test'" in said
    assert list(trained_on(shared, sizes, "validation", (1, 8, 8), 256)) == []
    # Images of four bits are alike by chance.
    assert list(trained_on(shared, sizes, "test", (1, 2, 2), 2)) == []
