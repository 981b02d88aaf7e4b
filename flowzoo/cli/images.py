"""Images of a data set, or picture files, that a command shows what a model makes of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from flowzoo.cli.console import complain
from flowzoo.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

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
PictureOption = Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")]
NoiseSeedOption = Annotated[int, typer.Option("--seed", help="Random seed of the noise of integer images.")]
ClassOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        help="Encode and decode images as ones of this class, for a model that was trained with classes: a "
        "number from 0 on, or own for the label that each image has in its data set.",
        metavar="NUMBER|own",
        show_default="no class",
    ),
]
DrawnClassOption = Annotated[
    str | None,
    typer.Option(
        "--class",
        help="Draw images of this class, for a model that was trained with classes: a number from 0 on.",
        metavar="NUMBER",
        show_default="no class",
    ),
]

OWN = "own"
"""What ``--class`` calls the label of each image."""


class Rows(NamedTuple):
    """The images that the rows of a picture are about.

    Attributes:
        images: ``(B, C, H, W)`` in ``[0, 1)``.
        labels: Their classes in their data set, ``(B,)``; None where they have none.
    """

    images: Images
    labels: Tensor | None


def parse_class(text: str | None, flow: Flow, labels: Tensor | None = None) -> Tensor | int | None:
    """Return the labels with which a model computes; None for no class.

    Args:
        text: What ``--class`` is given.
        flow: The model.
        labels: The images' own labels, which ``own`` stands for, if they have any.

    Raises:
        OptionError: The model has no classes or no such class, or the images have no labels.
    """
    if text is None:
        return None
    if not flow.classes:
        raise OptionError(
            "--class is given, and this model was trained without classes. Leave it out, or train a model "
            "with --set classes=10 on images with labels"
        )
    if text == OWN:
        if labels is None:
            raise OptionError("--class is own, and these images have no labels. Give the number of a class")
        return labels
    try:
        return int(text)
    except ValueError as error:
        raise OptionError(
            f"--class is '{text}'. Give the number of a class, 0 to {flow.classes - 1}"
        ) from error


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

    def first(self, count: int, seed: int) -> Rows:
        """Return the first images; fewer if there are fewer."""
        return self.at(range(min(count, len(self.source))), seed)

    def at(self, indices: Sequence[int], seed: int) -> Rows:
        """Return the images at ``indices``.

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
        return Rows(self.flow.dequantise(self.source.take(indices), call).x, self.source.labels_at(indices))


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
) -> Rows:
    """Return the images that the rows of a picture are about.

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
    return Rows(torch.cat([load_picture(path, flow.image_shape) for path in pictures]), None)
