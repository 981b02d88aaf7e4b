"""Features of a small network that has learnt, on the data set itself, how an image was turned.

They need no labels and no download, and exist for images of every size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from flowzoo.bench.metrics.features import FeatureRows, Features
from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.dataset import Dataset
from flowzoo.errors import NumericalError
from flowzoo.shapes import Images, IntegerImages

WIDTH = 64
"""Features."""

LARGEST = 64
"""Height and width above which images are scaled down, for the sake of time."""

BATCH = 64


class RotationFeatures(Features):
    """Means over the image of the last convolution's channels, in double precision on the CPU.

    The network is trained to tell by which multiple of a quarter turn an image was turned; by which half turn
    where height and width differ.

    Args:
        dataset: On whose training images it is trained.
        steps: Of training, with 64 images each.
        seed: Of weights, order and turns: the same for all models that are to be compared.

    References:
        Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations",
        2018, arXiv:1803.07728.
    """

    num_features = WIDTH

    def __init__(self, dataset: Dataset, steps: int, seed: int) -> None:
        super().__init__()
        info = dataset.info
        channels, height, width = info.shape
        self.name = (
            f"flowzoo-rotnet-{WIDTH} trained on {info.name} {info.revision}, {steps} steps, seed {seed}"
        )
        self._turns = (0, 1, 2, 3) if height == width else (0, 2)
        self._bins = info.bins
        self._factor = min(1.0, LARGEST / max(height, width))
        stride = 2 if min(height, width) >= 16 else 1
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            self._body = nn.Sequential(
                nn.Conv2d(channels, WIDTH // 2, 3, stride=stride, padding=1),
                nn.ReLU(),
                nn.Conv2d(WIDTH // 2, WIDTH, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1),
                nn.ReLU(),
            )
            self._head = nn.Linear(WIDTH, len(self._turns))
        self._train(ShuffledBatches(dataset.split("train"), BATCH, seed), steps, seed)
        self.double().requires_grad_(False)

    def forward(self, images: IntegerImages) -> FeatureRows:
        return self._features(self._scale(images).double())

    @torch.no_grad()
    def accuracy(self, images: IntegerImages) -> float:
        """Return for what share of images, each turned in all ways, the turn is recognised."""
        x = self._scale(images).double()
        found = [self._guess(x, place).argmax(1) == place for place in range(len(self._turns))]
        return float(torch.stack(found).double().mean())

    @torch.enable_grad()
    def _train(self, batches: ShuffledBatches, steps: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam(self.parameters(), lr=1e-3)
        for _ in range(steps):
            x = self._scale(next(batches))
            places = torch.randint(len(self._turns), (len(x),), generator=generator)
            parts = [(x[places == place], place) for place in range(len(self._turns))]
            guesses = torch.cat([self._guess(part, place) for part, place in parts])
            loss = functional.cross_entropy(guesses, places.sort().values)
            if not math.isfinite(float(loss.detach())):
                raise NumericalError(f"the loss of {self.name} is not finite; choose another seed")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def _guess(self, x: Images, place: int) -> Tensor:
        """Return what the network says of images that are turned in one of the ways, ``(B, ways)``."""
        found: Tensor = self._head(self._features(x.rot90(self._turns[place], (2, 3))))
        return found

    def _features(self, x: Images) -> FeatureRows:
        found: Tensor = self._body(x)
        return found.mean((2, 3))

    def _scale(self, images: IntegerImages) -> Images:
        x = images.cpu().float() * (2.0 / (self._bins - 1)) - 1.0
        return x if self._factor == 1.0 else functional.interpolate(x, scale_factor=self._factor, mode="area")
