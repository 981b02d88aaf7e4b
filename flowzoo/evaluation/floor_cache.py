"""Fitted floors, kept so that the runs on one data set need not each fit one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

import flowzoo
from flowzoo.data.dataset import DatasetInfo
from flowzoo.digest import digest_of
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.recipe import Recipe
from flowzoo.registry.saving import load_model, save_model

VARIABLE = "FLOWZOO_CACHE"
"""The environment variable that names the folder of what is kept; by default ``~/.cache/flowzoo``."""


def cached_floor(recipe: Recipe, data: DatasetInfo, fit: Callable[[], Flow]) -> tuple[Flow, str]:
    """Return a fitted Gaussian, from the cache or by fitting it, and why it could not be kept if so.

    What is kept is a saved model (:mod:`flowzoo.registry.saving`): whole or not there, whichever process
    writes it, and not taken when damaged. Its folder's name is a hash of all that decides the fit.

    Args:
        recipe: Of the Gaussian, which holds the pixel transform and all revisions and versions.
        data: The data set, of which the images to train on decide.
        fit: Fits the Gaussian.
    """
    made_with = [flowzoo.__version__, str(torch.__version__)]
    images = data.revisions.get("train") or [data.revision, data.sizes.get("train")]
    decides = digest_of([asdict(recipe), images, made_with], digits=32)
    try:
        place = cache_folder() / "floors" / decides
    except RuntimeError as error:  # there is no home
        return fit(), f"it was not kept for other runs: {error}"
    try:
        return load_model(place), ""
    except FlowzooError:
        # What may lie there is damaged, and would stand in the way of another.
        shutil.rmtree(place, ignore_errors=True)
    flow = fit()
    try:
        save_model(flow, place)
    except FlowzooError as error:
        return flow, f"it was not kept for other runs: {error}"
    return flow, ""


def cache_folder() -> Path:
    """Return the folder of what may be deleted at any time: computing it again takes nothing but time."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "flowzoo"
