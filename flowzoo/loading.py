"""A trained model and its images: from a run folder, a saved model, or the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flowzoo.data.dataset import Dataset
from flowzoo.data.given import Data, as_dataset, is_array, only_to_evaluate
from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import OptionError, SavedModelError, ShapeError, did_you_mean
from flowzoo.flow import Flow
from flowzoo.hub.download import download
from flowzoo.hub.name import is_hub_name, parse_hub_name
from flowzoo.mappings import names_to_values
from flowzoo.registry import saving
from flowzoo.registry.lookup import Registry
from flowzoo.registry.pretrained import find_pretrained, list_pretrained
from flowzoo.rundata import RunData, load_run_data
from flowzoo.runfolder import RunFolder, RunRecord


def load_model(
    folder: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    registry: Registry | None = None,
    *,
    check: bool = True,
) -> Flow:
    """Load a trained model: a run's, a saved one, or one with a name. Nothing that is read can run code.

    A run folder gives the model of its best validation so far. From the hub only the configuration and the
    weights are downloaded. Errors about revisions and versions are described in
    :func:`flowzoo.registry.saving.load_model`.

    Args:
        folder: A run folder (``flowzoo train``), or what :func:`flowzoo.save_model` wrote; the name of a
            model that is installed (:func:`flowzoo.list_pretrained`); or ``"hf-hub:owner/name"`` for one on
            the Hugging Face hub. ``"hf-hub:owner/name@revision"`` names a commit, a tag or a branch; a commit
            never changes.
        device: The device to move the model to.
        registry: Where the components of the model are looked up; by default among all that is installed.
        check: Check that the model computes what it computed when it was saved, and log versions that differ.

    Returns:
        The model, which computes what it computed when it was saved.

    Raises:
        SavedModelError: The folder is missing or damaged, it holds no model yet, or it does not fit what is
            installed; or the model computes something else than when it was saved.
        HubError: The hub has no such model or revision, or cannot be reached, and it is not in the cache.
        OptionError: There is no such device.
    """
    if not isinstance(folder, str | os.PathLike):
        raise SavedModelError(
            f"a {type(folder).__name__} is no folder of a model. Give the --out of flowzoo train, or the "
            "folder that save_model wrote"
        )
    place = locate(folder)
    if is_run(place):
        return RunFolder(Path(place)).load_model(device, registry, check=check)
    try:
        return saving.load_model(place, device, registry, check=check)
    except SavedModelError as error:
        if place != folder:  # the user does not know where the files of a named model are
            raise SavedModelError(str(error).replace(str(Path(place).resolve()), str(folder))) from error
        if not os.fspath(folder) or (Path(folder) / "config.json").exists():
            raise
        raise SavedModelError(
            f"{folder} is not a run folder (it has no run.json), not a saved model (it has no config.json), "
            f"and no trained model that is installed{_similar(os.fspath(folder))} Give the --out of "
            "flowzoo train, the folder that save_model wrote, or a name of flowzoo list --pretrained"
        ) from error


def locate(model: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return the folder of a model: what was given, or that of a model's name; one on the hub is downloaded.

    Raises:
        HubError: As :func:`load_model`.
    """
    if is_hub_name(model):
        return download(parse_hub_name(model))
    if not os.path.exists(model) and (found := find_pretrained(os.fspath(model))) is not None:
        return found.folder
    return model


@dataclass(frozen=True)
class Subject:
    """A model with its images.

    Attributes:
        flow: The model.
        data: The images.
        record: The record of the run that trained the model; None where there is only the model.
        weights: Digest of the weights that were loaded; empty for a model in memory.
    """

    flow: Flow
    data: RunData
    record: RunRecord | None
    weights: str


def load_subject(
    model: str | os.PathLike[str] | Flow,
    data: Data | None = None,
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Subject:
    """Load a model and its images.

    Args:
        model: A run folder, a saved model, a model on the hub, or one in memory, which stays on its device.
        data: As in :func:`load_images`.
        options: As in :func:`load_images`.
        device: A device, as :func:`~flowzoo.device.prepare_device` takes it.

    Raises:
        SavedModelError: The folder holds no model.
        FlowzooError: As :func:`load_images`.
    """
    if isinstance(model, Flow):
        return Subject(model, load_images(None, model, data, options), None, "")
    flow = load_model(model, prepare_device(device))
    images = load_images(model, flow, data, options)
    if not is_run(model):
        return Subject(flow, images, None, saving.weights_digest(locate(model)))
    run = RunFolder(Path(model))
    return Subject(flow, images, run.read(), saving.weights_digest(run.model))


def load_images(
    folder: str | os.PathLike[str] | None,
    flow: Flow,
    data: Data | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunData:
    """Load the images for a model: those of its run, or others.

    Args:
        folder: The run folder or the saved model; None for a model in memory.
        flow: The model.
        data: The name of a data set, a folder of images as a ``Path``, a data set, or an array of images
            that are all in the split ``test``; by default the data set of the run.
        options: Options of the data set that is named. Without ``data`` they can only say where the run's
            files are now.

    Raises:
        OptionError: A model without a run comes without data, or it was made for another number of bins.
        ShapeError: The model was made for images of another shape.
        FlowzooError: The images cannot be loaded.
    """
    options = names_to_values(options, "data_options")
    if isinstance(data, str | Path):
        found = RunData(load_dataset(data, **options), options, {})
    elif data is not None:
        dataset = only_to_evaluate(data, flow.bins) if is_array(data) else as_dataset(data, flow.bins)
        found = RunData(dataset, {}, {})
    elif folder is not None and is_run(folder):
        found = load_run_data(RunFolder(Path(folder)).read(), options)
    else:
        what = "a model" if folder is None else f"the saved model {folder}"
        raise OptionError(
            f"{what} does not hold its images. Name a data set: --data digits on the command line, "
            'data="digits" in Python'
        )
    refuse_other_images(flow, found.dataset)
    return found


def refuse_other_images(flow: Flow, dataset: Dataset) -> None:
    """Refuse a data set whose images do not fit the model.

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


def _similar(name: str) -> str:
    """Return the installed models that a name that is not found may mean."""
    known = list_pretrained()
    qualified = [each for each in known if each.endswith(f"/{name}")]
    return f"; say which: {' or '.join(qualified)}." if qualified else did_you_mean(name, known) or "."


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
