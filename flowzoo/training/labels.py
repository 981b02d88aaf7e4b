"""Whether a data set has the labels that a model is to be trained with."""

from __future__ import annotations

from flowzoo.data.dataset import Dataset
from flowzoo.errors import DataError, OptionError
from flowzoo.flow import Flow


def require_labels(flow: Flow, dataset: Dataset) -> None:
    """Refuse to train a model with classes on images without labels, or of more classes.

    Args:
        flow: The model; one without classes needs no labels.
        dataset: The images.

    Raises:
        DataError: The images have no labels.
        OptionError: They have more classes than the model.
    """
    if not flow.classes:
        return
    name, classes = dataset.info.name, len(dataset.info.classes)
    if not classes or dataset.split("train").labels is None:
        raise DataError(
            f"the images of {name} have no labels, and the model has classes={flow.classes}. Leave "
            "classes out, "
            "or train on images with labels, such as those of digits or fashion-mnist"
        )
    if classes > flow.classes:
        raise OptionError(
            f"the images of {name} have {classes} classes, and the model has classes={flow.classes}. "
            f"Set classes={classes}"
        )
