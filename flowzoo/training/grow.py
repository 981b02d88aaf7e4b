"""Lets a trained model grow: its levels become the coarse levels of a model of larger images."""

from __future__ import annotations

import hashlib

import torch

from flowzoo.call import Call
from flowzoo.errors import OptionError, SavedModelError
from flowzoo.flow import Flow
from flowzoo.loading import load_model
from flowzoo.runfolder import Grown
from flowzoo.scaling import coarse_shape


def grow(flow: Flow, model: str) -> Grown:
    """Give the coarse levels of a model the tensors of a trained one, whose images are smaller.

    Args:
        flow: The model of the larger images, as it was made.
        model: The trained model, as :func:`~flowzoo.loading.load_model` takes it.

    Raises:
        SavedModelError: There is no such model.
        OptionError: Its levels are not the coarse levels of ``flow``, or levels of ``flow`` depend on each
            other.
    """
    trained = load_model(model, device=str(flow.device))
    added = len(flow.levels) - len(trained.levels)
    if added < 1:
        raise OptionError(
            f"{model} has {len(trained.levels)} levels, and the model that grows from it needs more: "
            f"--set levels={len(trained.levels) + 1}"
        )
    if not flow.separable:
        raise OptionError(
            "this model cannot grow: its levels depend on each other's parameters. Train it as a whole"
        )
    found, needed = trained.image_shape, coarse_shape(flow, added)
    if found != needed:
        raise OptionError(
            f"after {added} level(s) the new model has images of the shape {needed}, and {model} takes "
            f"{found}. Choose larger images, or another number of levels"
        )
    for place, level in enumerate(trained.levels):
        own, given = flow.level(place + added).state_dict(), level.state_dict()
        if {name: each.shape for name, each in own.items()} != {n: each.shape for n, each in given.items()}:
            raise _unlike(flow, trained, model)
        flow.level(place + added).load_state_dict(given)
    if _computed(flow, added) != _computed(trained, 0):
        raise _unlike(flow, trained, model)
    return Grown(model, added, _digest(trained))


def grow_again(flow: Flow, grown: Grown) -> None:
    """Let a model grow as before, for a run that was interrupted before its first checkpoint.

    Raises:
        SavedModelError: The trained model is another one now, or it is gone.
    """
    if grow(flow, grown.model) != grown:
        raise SavedModelError(
            f"{grown.model} is another model than the one from which this run began to grow. Start a new run"
        )


@torch.no_grad()
def _computed(flow: Flow, first: int) -> list[float]:
    """Return what the levels from ``first`` on, and the pixel transform, make of a made-up image."""
    generator = torch.Generator().manual_seed(0)
    shape = coarse_shape(flow, first)
    x = torch.rand((1, *shape), generator=generator).to(flow.device)
    call = Call(generator=generator).seeded()
    image, log_det = flow.pixels(x, None, call)
    found = [float(log_det)]
    y: torch.Tensor | None = image.to(flow.dtype)
    for level in list(flow.levels)[first:]:
        assert y is not None, "only the last level keeps nothing"
        y, _, terms = level(y, call)
        found += [float(each) for each in terms]
    return found


def _unlike(flow: Flow, trained: Flow, model: str) -> OptionError:
    """Return the error that names the options that differ, as far as they can be told."""
    new, old = (
        each.recipe and {**each.recipe.options, "pixels": each.recipe.pixels} for each in (flow, trained)
    )
    other = [name for name in new or {} if name != "levels" and (old or {}).get(name) != (new or {})[name]]
    reason = f"their options differ: {', '.join(other)}" if other else "they are other models"
    return OptionError(
        f"the levels of {model} are not the coarse levels of the new model; {reason}. Give the new model the "
        f"options of {model}, and one level more"
    )


def _digest(flow: Flow) -> str:
    digest = hashlib.sha256()
    for name, tensor in flow.levels.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
