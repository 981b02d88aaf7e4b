"""Images of a data set, or picture files, that a command shows what a model makes of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.console import complain
from flowzoo.errors import OptionError

if TYPE_CHECKING:
    from flowzoo.data.dataset import ImageSource
    from flowzoo.flow import Flow
    from flowzoo.shapes import Images

MOST_IMAGES = 100
"""Rows of a picture, at most."""

SplitOption = Annotated[
    str | None,
    typer.Option("--split", help="Split: train, validation or test.", show_default="test"),
]
ImagesOption = Annotated[
    int | None,
    typer.Option(
        "--images", min=1, max=MOST_IMAGES, help="Number of images of the split to use.", show_default="8"
    ),
]
PicturesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--input",
        help="Use this picture instead of images of a data set. It must have the model's size. May be "
        "given several times.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class OpenSplit:
    """The images of a split, with the noise that makes them continuous.

    Args:
        flow: The model, whose noise it is.
        source: The images.
        name: The split and its data set, for messages.
    """

    flow: Flow
    source: ImageSource
    name: str

    def first(self, count: int, seed: int) -> Images:
        """Return the first images, ``(B, C, H, W)`` in ``[0, 1)``; fewer if there are fewer."""
        return self.at(range(min(count, len(self.source))), seed)

    def at(self, indices: Sequence[int], seed: int) -> Images:
        """Return the images at ``indices``, ``(B, C, H, W)`` in ``[0, 1)``.

        Raises:
            OptionError: There is no such image.
        """
        from flowzoo.call import Call, per_image_generators

        count = len(self.source)
        for index in indices:
            if not 0 <= index < count:
                raise OptionError(
                    f"there is no image {index}: {self.name} has {count:,} image(s), counted from 0. "
                    "Choose among these"
                )
        call = Call(generator=per_image_generators(seed, indices))
        return self.flow.dequantise(self.source.take(indices), call).x


def open_split(run: Path, flow: Flow, data: str | None, options: Mapping[str, Any], split: str) -> OpenSplit:
    """Return the images of a split of a run's data set, or of another one.

    Raises:
        FlowzooError: They cannot be loaded, or do not fit the model.
    """
    from flowzoo.loading import load_images

    found = load_images(run, flow, data, options)
    if split in found.changes:
        complain(f"note: {found.changes[split]}")
    return OpenSplit(flow, found.dataset.split(split), f"the split '{split}' of {found.dataset.info.name}")


def load_rows(
    run: Path,
    flow: Flow,
    *,
    pictures: Sequence[Path] | None,
    images: int | None,
    split: str | None,
    data: str | None,
    moved: Mapping[str, Any],
    seed: int,
) -> Images:
    """Return the images, ``(B, C, H, W)`` in ``[0, 1)``, that the rows of a picture are about.

    Args:
        run: The model's folder.
        flow: The model.
        pictures: Files, in place of images of a data set.
        images: Number of images of the split.
        split: The split; by default ``test``.
        data: A data set in place of the run's.
        moved: Where the run's files are now.
        seed: Seed of the noise of integer images.

    Raises:
        OptionError: There are files, and options of a data set too.
        FlowzooError: The images cannot be loaded, or do not fit the model.
    """
    import torch

    from flowzoo.pictures import load_picture

    if not pictures:
        return open_split(run, flow, data, moved, split or "test").first(images or 8, seed)
    if split or images or data or moved:
        raise OptionError(
            "--input replaces the images of the data set, so --split, --images, --data and --set have no "
            "use. Leave them out"
        )
    if len(pictures) > MOST_IMAGES:
        raise OptionError(f"there are {len(pictures)} pictures, and at most {MOST_IMAGES} fit. Give fewer")
    return torch.cat([load_picture(path, flow.image_shape) for path in pictures])
