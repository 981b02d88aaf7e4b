"""A trained model and its images, from a run folder or from a saved model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError, SavedModelError, ShapeError
from flowzoo.flow import Flow
from flowzoo.registry import saving
from flowzoo.registry.lookup import Registry
from flowzoo.rundata import RunData, load_run_data
from flowzoo.runfolder import RunFolder


def load_model(
    folder: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    registry: Registry | None = None,
    *,
    check: bool = True,
) -> Flow:
    """Load a trained model from a run folder, or a model that was saved. Nothing that is read can run code.

    A run folder gives the model of its best validation so far. Errors about revisions and versions are
    described in :func:`flowzoo.registry.saving.load_model`.

    Args:
        folder: A run folder (``flowzoo train``), or what :func:`flowzoo.save_model` wrote.
        device: The device to move the model to.
        registry: Where the components of the model are looked up; by default among all that is installed.
        check: Check that the model computes what it computed when it was saved, and log versions that differ.

    Returns:
        The model, which computes what it computed when it was saved.

    Raises:
        SavedModelError: The folder is missing or damaged, it holds no model yet, or it does not fit what is
            installed; or the model computes something else than when it was saved.
        OptionError: There is no such device.
    """
    if is_run(folder):
        return RunFolder(Path(folder)).load_model(device, registry, check=check)
    try:
        return saving.load_model(folder, device, registry, check=check)
    except SavedModelError as error:
        if not os.fspath(folder) or (Path(folder) / "config.json").exists():
            raise
        raise SavedModelError(
            f"{folder} is not a run folder (it has no run.json), and not a saved model (it has no "
            "config.json). Give the --out of flowzoo train, or the folder that save_model wrote"
        ) from error


def load_images(
    folder: str | os.PathLike[str],
    flow: Flow,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunData:
    """Load the images for a model: those of its run, or another data set.

    Args:
        folder: The run folder or the saved model.
        flow: The model.
        data: The name of a data set; by default that of the run.
        options: Options of the data set. Without ``data`` they can only say where the run's files are now.

    Raises:
        OptionError: A saved model comes without a data set, or the model was made for another number of bins.
        ShapeError: The model was made for images of another shape.
        FlowzooError: The images cannot be loaded.
    """
    if data is not None:
        dataset = load_dataset(data, **(options or {}))
        found = RunData(dataset, dict(options or {}), {})
    elif is_run(folder):
        found = load_run_data(RunFolder(Path(folder)).read(), options)
    else:
        raise OptionError(
            f"{folder} is a saved model, which does not hold the name of a data set. Name one: --data digits"
        )
    refuse_other_images(flow, found.dataset)
    return found


def refuse_other_images(flow: Flow, dataset: Dataset) -> None:
    """Refuse a data set whose images are not such as the model was made for.

    Raises:
        ShapeError: They have another shape.
        OptionError: They have another number of bins.
    """
    info = dataset.info
    if tuple(info.shape) != flow.image_shape:
        raise ShapeError(
            f"the model takes images of shape {_sizes(flow.image_shape)}, and those of {info.name} have "
            f"{_sizes(info.shape)}. Use images of the model's shape, or make a model for this one"
        )
    if info.bins != flow.bins:
        raise OptionError(
            f"the model was made for images with {flow.bins} values (bins), and those of {info.name} have "
            f"{info.bins}. Use a data set with {flow.bins} bins, or make a model with bins={info.bins}"
        )


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a run folder."""
    return bool(os.fspath(folder)) and (Path(folder) / "run.json").is_file()


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
