"""Networks that turn images into the features which a Fréchet distance compares."""

from __future__ import annotations

import hashlib
import importlib
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from flowzoo.api import DataError, IntegerImages, OptionError, Shape

FeatureRows = Float[Tensor, "batch _"]
"""One row of features for each image, ``(B, F)``."""


class Features(nn.Module, ABC):
    """A network from integer images to features.

    Attributes:
        name: Name of the features, which is stated with every distance.
        unit: Unit of such a distance.
        num_features: ``F``. torchmetrics requires this name.
        enough_images: Smallest number of images for a distance; None for more than there are features.
        objections: Why distances between the features mean nothing; empty if they do.
    """

    name: str
    unit: str = "own features, not FID"
    num_features: int
    enough_images: int | None = None
    objections: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, images: IntegerImages) -> FeatureRows:
        """Return features, ``(B, F)``, in double precision on the CPU.

        Args:
            images: ``(B, C, H, W)`` in ``{0, ..., bins - 1}``, on the CPU.
        """


class InceptionFeatures(Features):
    """The 2,048 features of the Inception network that FID is defined by, from torch-fidelity's weights.

    Args:
        bins: Number of integers that a value can take. Images are scaled to ``0 .. 255``; grey ones become
            colour.
        device: The device to compute on.

    Raises:
        DataError: The weights cannot be loaded.

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
        2017, arXiv:1706.08500.
    """

    name = "Inception v3 of torch-fidelity, 2048"
    unit = "FID"
    num_features = 2048
    enough_images = 10_000

    def __init__(self, bins: int, device: torch.device) -> None:
        super().__init__()
        self._bins = bins
        self._device = device
        self._network = _load_inception().to(device)

    def forward(self, images: IntegerImages) -> FeatureRows:
        bytes_ = (images.double() * (255 / (self._bins - 1))).round().to(torch.uint8)
        if bytes_.shape[1] == 1:
            bytes_ = bytes_.expand(-1, 3, -1, -1)
        if bytes_.shape[1] != 3:
            raise DataError(
                f"Inception takes grey or colour images, and these have {bytes_.shape[1]} channels. "
                "Set features=trained."
            )
        found: Tensor = self._network(bytes_.to(self._device))
        return found.cpu().double()


class ImportedFeatures(Features):
    """A network of the user that maps images, ``(B, C, H, W)`` uint8, to features, ``(B, F)``.

    Args:
        path: ``package.module:callable``, which returns the network if it is called without arguments.
        shape: ``(C, H, W)`` of the images.

    Raises:
        OptionError: There is no such callable, or what it returns maps images to something else.
    """

    def __init__(self, path: str, shape: Shape) -> None:
        super().__init__()
        module, _, attribute = path.partition(":")
        try:
            network = getattr(importlib.import_module(module), attribute)()
            found = network(torch.zeros((2, *shape), dtype=torch.uint8))
            rows, self.num_features = found.shape
        except Exception as error:
            raise OptionError(
                f"features={path} gives no network from images {(2, *shape)} to rows of features "
                f"({type(error).__name__}: {error}); name a package.module:callable that returns one"
            ) from error
        if rows != 2:
            raise OptionError(f"features={path} gives {rows} rows of features for 2 images, expected 2")
        self._network = network
        weights = _digest(network)
        self.name = f"{path}, weights {weights}" if weights else path

    def forward(self, images: IntegerImages) -> FeatureRows:
        found: Tensor = self._network(images)
        return found.cpu().double()


def _digest(network: Any) -> str:
    """Return a hash of a network's weights; empty for a network without weights, or for another callable."""
    if not isinstance(network, nn.Module) or not network.state_dict():
        return ""
    digest = hashlib.sha256()
    for name, values in network.state_dict().items():
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _load_inception() -> nn.Module:
    try:
        network: nn.Module = FrechetInceptionDistance(feature=2048).inception
    except (ImportError, OSError, RuntimeError) as error:
        raise DataError(
            f"the Inception network cannot be loaded ({str(error).strip().splitlines()[0]}). Install "
            "torch-fidelity and let it download its weights once, or set features=trained."
        ) from error
    return network
