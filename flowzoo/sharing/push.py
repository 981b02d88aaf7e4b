"""Uploads a trained model with its card to the Hugging Face hub, in one commit."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from flowzoo.errors import FlowzooError, HubError, SavedModelError
from flowzoo.evaluation.report import Evaluation, evaluation_file, read_evaluation
from flowzoo.flow import Flow
from flowzoo.formats import FormatError
from flowzoo.hub.download import CONFIG, WEIGHTS
from flowzoo.hub.name import HubName, parse_hub_name
from flowzoo.hub.upload import upload
from flowzoo.loading import is_run, load_model
from flowzoo.pictures import save_grid
from flowzoo.registry.loader import default_registry
from flowzoo.registry.saving import saved_provenance
from flowzoo.rundata import load_run_data
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.sharing.card import SAMPLES, Card
from flowzoo.sharing.licence import choose_licence

PICTURES = 64
"""Number of images in the picture of samples."""


def push_model(
    model: str | os.PathLike[str], name: str, *, private: bool = False, licence: str | None = None
) -> str:
    """Upload a trained model to the Hugging Face hub, with a card made from its record, in one commit.

    The hub gets the configuration, the weights, the card ``README.md`` and a picture of samples. Paths on
    this machine are not part of them. The figure on the card is that of ``evaluation-test.json`` in the run
    folder. An upload that is interrupted changes nothing there, though the repository may be there, empty.

    Args:
        model: A run folder, or a saved model.
        name: ``"hf-hub:owner/name"``. A repository that does not exist is made.
        private: Make a repository that only its owner can read.
        licence: The model's licence, as the hub writes it, for example ``"cc-by-4.0"``. By default that of
            the images that the model was trained on, if it is an open one.

    Returns:
        The name of what was uploaded, with its commit: :func:`flowzoo.load_model` takes it.

    Raises:
        SavedModelError: The folder holds no model.
        HubError: The name is malformed, the hub does not accept the upload, or ``huggingface_hub`` is not
            installed.
        OptionError: No licence is given, and the images have no open one.
    """
    target = parse_hub_name(name)
    if target.revision:
        raise HubError(f"{target} names a revision, and a push makes a new one. Leave @{target.revision} out")
    record = RunFolder(Path(model)).read() if is_run(model) else None
    chosen = choose_licence(licence, "" if licence is not None else _licence_of_images(record))
    flow = load_model(model)
    folder = Path(model) if record is None else RunFolder(Path(model)).model
    card = _card(flow, target, folder, chosen, record, None if record is None else _evaluation(model, record))
    files = {each: (folder / each).read_bytes() for each in (CONFIG, WEIGHTS)}
    return str(upload(target, {**files, "README.md": card.text().encode(), SAMPLES: _samples(flow)}, private))


def _licence_of_images(record: RunRecord | None) -> str:
    """Return the licence of the images of a run; empty if that is not known, or if they are not there now."""
    if record is None:
        return ""
    try:
        return load_run_data(record).dataset.info.licence
    except FlowzooError:
        return ""


def _evaluation(run: str | os.PathLike[str], record: RunRecord) -> Evaluation | None:
    """Return the figure of a run's model; None if it was not measured, or only before it trained on."""
    try:
        found = read_evaluation(evaluation_file(Path(run), "test"))
    except FileNotFoundError:
        return None
    except FormatError as error:
        raise SavedModelError(str(error)) from error
    return found if found.training_steps == record.steps else None


def _card(
    flow: Flow,
    name: HubName,
    folder: Path,
    licence: str,
    record: RunRecord | None,
    evaluation: Evaluation | None,
) -> Card:
    assert flow.recipe is not None, "what was loaded was made by its recipe"
    provenance = saved_provenance(folder)
    return Card(
        name=name.repository,
        recipe=flow.recipe,
        component=provenance.bind(default_registry()).find("model", flow.recipe.model),
        provenance=provenance,
        licence=licence,
        parameters=sum(each.numel() for each in flow.parameters()),
        record=record,
        evaluation=evaluation,
    )


def _samples(flow: Flow) -> bytes:
    images = torch.cat([each.cpu() for each in flow.sample_batches(PICTURES, seed=0)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SAMPLES
        save_grid(images, path, flow.bins)
        return path.read_bytes()
