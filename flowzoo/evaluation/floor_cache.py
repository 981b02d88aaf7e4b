"""Keeps fitted floors, so that they are not fitted again for each model on the same data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict

import torch

import flowzoo
from flowzoo.cache import cache_folder
from flowzoo.data.dataset import DatasetInfo
from flowzoo.digest import digest_of
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.recipe import Recipe
from flowzoo.registry.saving import load_model, save_model


def cached_floor(recipe: Recipe, data: DatasetInfo, fit: Callable[[], Flow]) -> tuple[Flow, str]:
    """Return a fitted Gaussian, from the cache or newly fitted, and the reason if it could not be kept.

    It is kept as a saved model (:mod:`flowzoo.registry.saving`), which is complete or not there, even if
    several processes write it, and is not used if it is damaged. Its folder's name is a hash of all that
    decides the fit.

    Args:
        recipe: Recipe of the Gaussian, with its pixel transform and all revisions and versions.
        data: The data set. Only its training images matter.
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
        # What lies there is damaged, and would block the new one.
        shutil.rmtree(place, ignore_errors=True)
    flow = fit()
    try:
        save_model(flow, place)
    except FlowzooError as error:
        return flow, f"it was not kept for other runs: {error}"
    return flow, ""
