"""CelebA's aligned faces, cut and scaled to 64x64."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.locate import Opened, open_images
from flowzoo.data.on_disk import on_disk
from flowzoo.data.split_names import TEST, TRAIN
from flowzoo.data.stored import ImageFiles, StoredImages, exactly
from flowzoo.errors import DataError

_HUB = "flwrlabs/celeba"
_ALIGNED = exactly(218, 178)
_TOP, _LEFT, _SIDE = 40, 15, 148
_PARTITION = "list_eval_partition.txt"
_CODES = {"train": "0", "validation": "1", "test": "2"}


def build_celeba64(
    *,
    root: Annotated[
        str | None,
        FilePlace(),
        Field(
            description="Folder of parquet files, or of img_align_celeba and list_eval_partition.txt; "
            "without it, images come from the hub."
        ),
    ] = None,
) -> Dataset:
    """Load CelebA's 202,599 aligned faces, 64x64, in its own three splits.

    The 148x148 square at row 40 and column 15 of each 218x178 image is cut out, as in Real NVP, and scaled to
    64x64 by Pillow's bilinear filter, which averages as it scales down. Papers differ in cut and filter, so
    theirs are other images: figures on this data set can only be compared with one another.

    Args:
        root: Folder of the hub's parquet files, or of ``img_align_celeba`` and ``list_eval_partition.txt``.

    Raises:
        DataError: The images cannot be loaded, or are not CelebA's.

    References:
        Liu, Luo, Wang and Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015.
        Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", ICLR 2017, section 4.1.
    """
    opened = _open(root)
    return on_disk(
        "celeba64",
        opened.splits,
        shape=(3, 64, 64),
        prepare=_face,
        licence="CelebA's agreement: non-commercial research only",
        source=f"mmlab.ie.cuhk.edu.hk/projects/CelebA.html; {_HUB} on the Hugging Face hub",
        pixels={"name": "logit", "alpha": 0.05},
        skipped=opened.skipped,
    )


def _open(root: str | None) -> Opened:
    if root is not None and (Path(root).expanduser() / _PARTITION).is_file():
        return Opened(_read_partition(Path(root).expanduser()))
    return open_images(
        "celeba64",
        root,
        {"train": TRAIN, "validation": ("valid", "validation", "val"), "test": TEST},
        repository=_HUB,
        fetch=f"download the parquet files of {_HUB}, or {_PARTITION} and the folder img_align_celeba",
    )


def _read_partition(root: Path) -> dict[str, StoredImages]:
    """Open the unpacked archive of CelebA. Each line of the partition file has a name and a code."""
    lines = [line.split() for line in (root / _PARTITION).read_text(encoding="utf-8").splitlines() if line]
    wrong = next((line for line in lines if len(line) != 2 or line[1] not in _CODES.values()), None)
    if wrong is not None:
        raise DataError(
            f"cannot read {root / _PARTITION}: the line '{' '.join(wrong)[:80]}' is not a file name and 0, 1 "
            "or 2. Download the file again"
        )
    folder = root / "img_align_celeba"
    return {
        split: ImageFiles([folder / name for name, each in lines if each == code])
        for split, code in _CODES.items()
    }


def _face(image: Image.Image) -> Image.Image:
    box = (_LEFT, _TOP, _LEFT + _SIDE, _TOP + _SIDE)
    return _ALIGNED(image).convert("RGB").crop(box).resize((64, 64), Image.Resampling.BILINEAR)
