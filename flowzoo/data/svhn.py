"""Street View House Numbers, from parquet files, image folders or the hub."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.decoded import decoded_in_memory


def build_svhn(
    *,
    root: Annotated[
        str | None,
        FilePlace(),
        Field(description="Folder of parquet files, or of folders train and test; without it, the hub."),
    ] = None,
) -> Dataset:
    """Load SVHN's cropped digits: 99,289 colour images, 32x32, of the digits of house numbers.

    Of the 73,257 training images, 5,000 spread evenly are for validation. The 26,032 test images are its own.
    The 531,131 easier images of its split *extra* are left out.

    Args:
        root: Folder of the hub's parquet files, or of folders ``train`` and ``test`` of image files.

    Raises:
        DataError: The images cannot be loaded, or are not SVHN's.

    References:
        Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", NIPS Workshop on
        Deep Learning and Unsupervised Feature Learning, 2011.
    """
    return decoded_in_memory(
        "svhn",
        root,
        repository="ufldl-stanford/svhn",
        subset="cropped_digits",
        size=(32, 32),
        licence="for non-commercial use only, say its authors",
        source="ufldl.stanford.edu/housenumbers",
    )
