"""Features of a small network that has learnt, on the data set itself, to recognise changes of images.

They need no labels and no download, and exist for images of every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from flowzoo.api import Dataset, Images, IntegerImages, NumericalError, ShuffledBatches, spread
from flowzoo_frechet.features import FeatureRows, Features

WIDTH = 64
"""Number of features."""

LARGEST = 64
"""Height and width above which images are scaled down to save time."""

BATCH = 64

LOUDEST = 0.3
"""Largest standard deviation of added noise, for pixels from -1 to 1."""

SCALED_BY = 1000
"""Number of training images over which features are scaled to a standard deviation of 1."""

QUIETEST = 0.1
"""Smallest divisor of a feature, as a fraction of the largest standard deviation."""

EXAMINED_ON = 200
"""Number of test images on which the network is tested."""

LEAST = 1.5
"""The network has learnt too little if its accuracy is less than this multiple of guessing."""


class TrainedFeatures(Features):
    """Means over the image of the last convolution's channels, in double precision on the CPU.

    The network is trained to recognise how an image was changed: not at all, a quarter turn, half a turn,
    three quarters of one (only half a turn if height and width differ), noise added, blurred, or its
    halves exchanged. Turns by themselves teach it nothing about textures, which look the same from all sides.

    Every feature is divided by its standard deviation over training images, or by a tenth of the largest one
    if that is more. If the network recognises changes of test images hardly better than guessing, it says so
    in ``objections``.

    Args:
        dataset: The data set, on whose training images it is trained.
        steps: Number of training steps, with 64 images each.
        seed: Seed of weights, order and changes. Use the same for all models that are compared.
        progress: Called with the share of the training that is done.

    References:
        Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations",
        2018, arXiv:1803.07728; Jenni, Jin and Favaro, "Steering Self-Supervised Feature Learning Beyond Local
        Pixel Statistics", 2020, arXiv:2004.02331 (changes other than turns).
    """

    num_features = WIDTH

    def __init__(
        self,
        dataset: Dataset,
        steps: int,
        seed: int,
        progress: Callable[[float], object] = lambda share: None,
    ) -> None:
        super().__init__()
        info = dataset.info
        channels, height, width = info.shape
        self.name = (
            f"flowzoo-changes-{WIDTH} trained on {info.name} {info.revision}, {steps} steps, seed {seed}"
        )
        turns = ("turn 1", "turn 2", "turn 3") if height == width else ("turn 2",)
        self._ways = ("nothing", *turns, "noise", "blur", "exchange")
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
            self._head = nn.Linear(WIDTH, len(self._ways))
        train = dataset.split("train")
        generator = torch.Generator().manual_seed(seed)
        self._train(ShuffledBatches(train, BATCH, seed), steps, generator, progress)
        self.double().requires_grad_(False)
        self._spread: Tensor | float = 1.0
        found = self(train.take(spread(len(train), min(SCALED_BY, len(train))))).std(0)
        self._spread = found.clamp(min=QUIETEST * float(found.max())) if bool(found.any()) else 1.0
        test = dataset.split("test")
        accuracy, chance = self.accuracy(test.take(range(min(EXAMINED_ON, len(test))))), 1 / len(self._ways)
        if accuracy < LEAST * chance:
            self.objections = (
                f"the features recognise {accuracy:.0%} of changes, guessing {chance:.0%}; raise steps",
            )

    def forward(self, images: IntegerImages) -> FeatureRows:
        return self._features(self._scale(images).double()) / self._spread

    @torch.no_grad()
    def accuracy(self, images: IntegerImages) -> float:
        """Return the fraction of changes that are recognised, with each image changed in all ways.

        By chance it is one in seven, or in five where height and width differ.
        """
        x, generator = self._scale(images).double(), torch.Generator().manual_seed(0)
        found = [
            self._head(self._features(_change(x, way, generator))).argmax(1) == place
            for place, way in enumerate(self._ways)
        ]
        return float(torch.stack(found).double().mean())

    @torch.enable_grad()
    def _train(
        self,
        batches: ShuffledBatches,
        steps: int,
        generator: torch.Generator,
        progress: Callable[[float], object],
    ) -> None:
        optimiser = torch.optim.Adam(self.parameters(), lr=1e-3)
        for step in range(steps):
            x = self._scale(next(batches))
            places = torch.randint(len(self._ways), (len(x),), generator=generator)
            parts = [_change(x[places == place], way, generator) for place, way in enumerate(self._ways)]
            loss = functional.cross_entropy(
                self._head(self._features(torch.cat(parts))), places.sort().values
            )
            if not math.isfinite(float(loss.detach())):
                raise NumericalError(f"the loss of {self.name} is not finite; choose another seed")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            progress((step + 1) / steps)

    def _features(self, x: Images) -> FeatureRows:
        found: Tensor = self._body(x)
        return found.mean((2, 3))

    def _scale(self, images: IntegerImages) -> Images:
        x = images.cpu().float() * (2.0 / (self._bins - 1)) - 1.0
        return x if self._factor == 1.0 else functional.interpolate(x, scale_factor=self._factor, mode="area")


def _change(x: Images, way: str, generator: torch.Generator) -> Images:
    """Change images in one way."""
    if way.startswith("turn"):
        return x.rot90(int(way[-1]), (2, 3))
    if way == "noise":
        loudness = torch.rand((len(x), 1, 1, 1), generator=generator, dtype=x.dtype) * LOUDEST
        return x + loudness * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    if way == "blur":
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if way == "exchange":
        return x.roll((x.shape[2] // 2, x.shape[3] // 2), (2, 3))
    return x
