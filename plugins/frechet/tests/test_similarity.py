"""KID, precision and recall as metrics of suites."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowzoo.api import Call, quantise
from flowzoo.registry.build import build_component
from flowzoo.testing.metrics import tiny_trained
from flowzoo_frechet.features import ImportedFeatures
from flowzoo_frechet.quality import quality_beside


class Corners(nn.Module):
    """Four values of an image, as they are."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float()[:, 0, 2:4, 2:4].flatten(1)


FEATURES = f"{__name__}:Corners"


@pytest.mark.parametrize(
    ("name", "better", "unit"),
    [("kid", "lower", "own features, not KID"), ("precision", "higher", ""), ("recall", "higher", "")],
)
def test_samples_and_training_images_are_measured_beside_test_images(
    name: str, better: str, unit: str
) -> None:
    trained = tiny_trained((1, 8, 8))
    found = build_component("metric", name, features=FEATURES).measure(trained)

    call = Call(generator=torch.Generator().manual_seed(trained.seed))
    with torch.no_grad():
        x = trained.flow.decode(trained.flow.draw_latents(48, call=call), call)
    features = ImportedFeatures(FEATURES, (1, 8, 8))
    test, training = (trained.dataset.split(each).take(range(48)) for each in ("test", "train"))
    quality = quality_beside(features, [test])
    assert found.value == pytest.approx(getattr(quality(features(quantise(x, trained.flow.bins))), name))
    assert found.details["training_images"] == pytest.approx(getattr(quality(features(training)), name))
    assert (found.better, found.unit, found.valid) == (better, unit, True)
    assert found.conditions["images"] == 48


def test_features_that_recognise_nothing_give_no_valid_figure() -> None:
    found = build_component("metric", "recall", steps=1).measure(tiny_trained((1, 8, 8)))
    assert not found.valid
    assert "raise steps" in found.objections[0]
