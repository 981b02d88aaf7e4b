"""The two down-sampled ImageNets: one sampled nearly point by point, the other averaged over boxes.

Both are made of the same photographs and both are called "ImageNet 32" or "ImageNet 64", but the older one's
images are aliased and harder to compress. Figures on one cannot be compared with figures on the other.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.locate import open_images
from flowzoo.data.on_disk import on_disk
from flowzoo.data.split_names import TRAIN, VALIDATION
from flowzoo.data.stored import exactly

_LICENCE = "ImageNet's terms of access: research and education only (image-net.org/download)"

Root = Annotated[
    str | None,
    FilePlace(),
    Field(description="Folder of parquet files, or of folders train and validation of image files."),
]


def build_imagenet32_oord(*, root: Root = None) -> Dataset:
    """Load the ImageNet 32x32 of van den Oord et al.: 1,281,149 and 49,999 colour images.

    The figures of PixelRNN, Real NVP, Glow and Flow++ are on this one. Its own validation split is the test
    split here, as in the papers; 5,000 training images, spread evenly, are held out for validation.

    Args:
        root: Folder of ``train-*.parquet`` and ``validation-*.parquet`` with a column ``image``, or of
            ``train_32x32`` and ``valid_32x32``, as the original archives unpack.

    Raises:
        DataError: The images cannot be loaded, or have another size.

    References:
        van den Oord, Kalchbrenner and Kavukcuoglu, "Pixel Recurrent Neural Networks", ICML 2016,
        arXiv:1601.06759, section 5.
    """
    return _oord(32, root)


def build_imagenet64_oord(*, root: Root = None) -> Dataset:
    """Load the ImageNet 64x64 of van den Oord et al.; see :func:`build_imagenet32_oord`.

    Args:
        root: As for 32x32; the original archives unpack to ``train_64x64`` and ``valid_64x64``.

    Raises:
        DataError: The images cannot be loaded, or have another size.
    """
    return _oord(64, root)


def build_imagenet32_box(*, root: Root = None) -> Dataset:
    """Load the ImageNet 32x32 of Chrabaszcz et al., averaged over boxes: 1,281,167 and 50,000 colour images.

    Made for classification. Later papers report likelihoods on it, since the older one is no longer
    available. ImageNet's validation split is the test split; 5,000 training images, spread evenly, are for
    validation.

    Args:
        root: Folder of ``train-*.parquet`` and ``validation-*.parquet`` with a column ``image``, or of
            folders ``train`` and ``validation`` of image files.

    Raises:
        DataError: The images cannot be loaded, or have another size.

    References:
        Chrabaszcz, Loshchilov and Hutter, "A Downsampled Variant of ImageNet as an Alternative to the CIFAR
        datasets", arXiv:1707.08819.
    """
    return _box(32, root, None)


def build_imagenet64_box(*, root: Root = None) -> Dataset:
    """Load the ImageNet 64x64 of Chrabaszcz et al.; see :func:`build_imagenet32_box`.

    Args:
        root: As for 32x32; without it, the hub.

    Raises:
        DataError: The images cannot be loaded, or have another size.
    """
    return _box(64, root, "sradc/imagenet_resized_64x64")


def _oord(size: int, root: str | None) -> Dataset:
    fetch = (
        f"unpack train_{size}x{size}.tar and valid_{size}x{size}.tar (image-net.org served them as 'small', "
        "and no longer does)"
    )
    return _load(f"imagenet{size}-oord", size, root, None, fetch, "image-net.org/small, van den Oord et al.")


def _box(size: int, root: str | None, repository: str | None) -> Dataset:
    fetch = (
        f"make parquet files of the npz archives {size}x{size} of image-net.org/download-images, as the page "
        "docs/data.md shows"
    )
    source = (
        f"image-net.org, Chrabaszcz et al.{f'; {repository} on the Hugging Face hub' if repository else ''}"
    )
    return _load(f"imagenet{size}-box", size, root, repository, fetch, source)


def _load(name: str, size: int, root: str | None, repository: str | None, fetch: str, source: str) -> Dataset:
    opened = open_images(name, root, {"train": TRAIN, "test": VALIDATION}, repository=repository, fetch=fetch)
    return on_disk(
        name,
        opened.splits,
        shape=(3, size, size),
        prepare=exactly(size, size),
        licence=_LICENCE,
        source=source,
        pixels={"name": "logit", "alpha": 0.05},
        skipped=opened.skipped,
    )
