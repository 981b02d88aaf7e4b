"""Saved models: a folder with ``config.json`` (the recipe) and ``model.safetensors`` (the weights)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save
from torch import Tensor

import flowzoo
from flowzoo.digest import digest_of, digest_of_file
from flowzoo.errors import FlowzooError, OptionError, SavedModelError, UnwritableModelError
from flowzoo.files import refusal, umask
from flowzoo.flow import Flow
from flowzoo.formats import Format, FormatError
from flowzoo.recipe import Recipe
from flowzoo.registry.added import with_added
from flowzoo.registry.drift import refuse_drift
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.models import assemble
from flowzoo.registry.probe import Probe, take_probe
from flowzoo.registry.provenance import Provenance, changes, provenance_of, refuse_revisions
from flowzoo.registry.weights import weights_of

FORMAT = Format("format", 1, "Copy the folder again")
"""Versions of the folder's layout. What older readers may leave out, such as the probe, does not raise it."""

TRAIN_AGAIN = "train the model again"

_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"

_LEFT_BY_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""Files that systems put into every folder that is looked at, and nobody misses."""

T = TypeVar("T")

_LOGGER = logging.getLogger("flowzoo")


def save_model(flow: Flow, folder: str | os.PathLike[str]) -> None:
    """Save a model to a folder, at once or not at all.

    Args:
        flow: Made by :func:`flowzoo.create_model` or :func:`load_model`.
        folder: Where to; a model saved there before is replaced.

    Raises:
        SavedModelError: The folder holds something else than a saved model; or the model has other tensors
            than its recipe builds (:mod:`flowzoo.registry.weights`).
        UnwritableModelError: The system does not let it be written; a model saved there before stays.
    """
    target = _locate(folder)
    if not hasattr(flow, "recipe"):  # a wrapper that forwards no attributes, as DistributedDataParallel
        raise SavedModelError(
            f"a {type(flow).__name__} cannot be saved. Save the model inside it: save_model(x.module, ...)"
        )
    if flow.recipe is None:
        raise SavedModelError("this model has no recipe. Only models that create_model made can be saved")
    try:
        _recover(target)
        _refuse_to_replace(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent))
        try:
            _write(flow, flow.recipe, draft)
            _put_in_place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise UnwritableModelError(f"cannot save a model to {target}: {refusal(error)}") from error


def load_model(
    folder: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    registry: Registry | None = None,
    *,
    check: bool = True,
) -> Flow:
    """Load a saved model. Nothing that is read can run code, and nothing in the folder is changed.

    A component with another revision than the saved one is refused. Another version with the same revision is
    logged as a warning, and the model's log-likelihood of the few images that are stored with it has to be
    what it was (:mod:`flowzoo.registry.probe`).

    Args:
        folder: What :func:`save_model` wrote.
        device: Where the model goes.
        registry: Where its components are found; by default among what is installed.
        check: Compare the log-likelihood of the stored images, and log versions that differ.

    Returns:
        The model, which computes what it computed when it was saved.

    Raises:
        SavedModelError: The folder is missing or damaged, or does not fit what is installed; or the model
            computes something else than when it was saved.
        OptionError: There is no such device.
    """
    source = _locate(folder)
    registry = default_registry() if registry is None else registry
    try:
        saved, weights = _read(source)
    except OSError as error:
        raise SavedModelError(f"cannot read the model in {source}: {error}") from error
    recipe, then = saved.recipe, saved.provenance
    refuse_revisions(then, registry, str(source), "was saved", TRAIN_AGAIN)
    bound = then.bind(registry)
    try:
        options = with_added(bound, "model", recipe.model, recipe.options)
        flow = assemble(bound, recipe.model, recipe.image_shape, recipe.bins, recipe.pixels, 0, options)
    except FlowzooError as error:
        raise SavedModelError(f"{source} does not fit what is installed: {error}") from error
    _fill(flow, weights, source)
    flow = _move(flow, device)
    if check:
        changed = changes(then, provenance_of(bound, then.revisions), files=False)
        if changed:
            _LOGGER.warning("%s was saved with %s", source, ", ".join(changed))
        if saved.probe is not None:
            refuse_drift(flow, saved.probe, then, registry, str(source), TRAIN_AGAIN)
    return flow


def saved_provenance(folder: str | os.PathLike[str]) -> Provenance:
    """Return what a saved model was made with.

    Raises:
        SavedModelError: The folder is missing or damaged.
    """
    source = _present(_locate(folder))
    return _saved(source, _read_config(source)).provenance


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Check, before the work that makes a model, that :func:`save_model` can write it to a folder.

    Raises:
        SavedModelError: As :func:`save_model`.
    """
    _refuse_to_replace(_locate(folder))


def weights_digest(folder: str | os.PathLike[str]) -> str:
    """Return the digest of a saved model's weights, which tells it from any other.

    Raises:
        SavedModelError: The folder is missing or damaged.
    """
    source = _present(_locate(folder))
    return str(_read_config(source).get("weights_sha256", ""))


def _locate(folder: str | os.PathLike[str]) -> Path:
    """Return a folder's absolute path, symlinks resolved."""
    try:
        path = Path(folder).resolve()
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # a loop of symlinks, a null character
        raise SavedModelError(f"{str(folder)!r:.200} is not a folder: {error}") from error
    if not os.fspath(folder) or not path.name:
        raise SavedModelError(
            f"'{folder}' is not a folder that can hold a model. Give one such as 'my-model'"
        )
    return path


def _write(flow: Flow, recipe: Recipe, draft: Path) -> None:
    weights = draft / _WEIGHTS
    # Copies, because safetensors refuses tensors that share memory.
    state = {name: tensor.cpu().contiguous().clone() for name, tensor in weights_of(flow).items()}
    # Written here, since safetensors' own writing raises an error that is no OSError where there is no room.
    weights.write_bytes(save(state))
    plain = asdict(recipe)
    now = _made_with(recipe)
    config = {
        "format": FORMAT.version,
        "flowzoo": flowzoo.__version__,
        "versions": now.versions,
        "fingerprints": now.fingerprints,
        "probe": asdict(take_probe(flow)),
        "recipe": plain,
        "recipe_sha256": digest_of(plain, compact=True),
        "weights_sha256": digest_of_file(weights),
    }
    (draft / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    draft.chmod(0o777 & ~umask())


def _put_in_place(draft: Path, target: Path) -> None:
    """Rename the draft; a folder that is replaced is set aside, and put back if that fails."""
    if not target.exists():
        draft.rename(target)
        return
    aside = _set_aside(target)
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)
    try:
        draft.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _set_aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _recover(target: Path) -> None:
    """Put back the model that was set aside when saving was cut short between the two renames."""
    aside = _set_aside(target)
    if aside.is_dir() and not target.exists():
        aside.rename(target)


def _refuse_to_replace(target: Path) -> None:
    if not target.exists():
        return
    if target == Path.cwd():
        raise SavedModelError(
            f"{target} is the current folder, which cannot be replaced. Name a folder inside it"
        )
    if not target.is_dir():
        raise SavedModelError(f"{target} is a file. Give a folder to save the model to")
    found = {path.name for path in target.iterdir()} - _LEFT_BY_SYSTEMS
    if found and _CONFIG not in found:
        raise SavedModelError(f"{target} holds other files and no saved model. Choose a new folder")
    if found:
        _read_recipe(target, _read_config(target))
    others = sorted(found - {_CONFIG, _WEIGHTS})
    if others:
        raise SavedModelError(
            f"replacing the model in {target} would delete '{others[0]}'. Move it, or choose a new folder"
        )


def _read(target: Path) -> tuple[_Saved, dict[str, Tensor]]:
    """Read recipe and weights; again if meanwhile another process replaced the model."""
    while True:
        source = _present(target)
        before = _identity(source)
        try:
            config = _read_config(source)
            saved = _saved(source, config)
            return saved, _read_weights(source, config)
        except (SavedModelError, OSError):
            now = _present(target)
            if (now, _identity(now)) == (source, before):
                raise


def _present(target: Path) -> Path:
    """Return where the model is: set aside, while another process is between the two renames of a save."""
    aside = _set_aside(target)
    return aside if not target.exists() and aside.is_dir() else target


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read_config(source: Path) -> dict[str, Any]:
    path = source / _CONFIG
    if not path.is_file():
        what = "has no config.json, so it is not a saved model" if source.is_dir() else "does not exist"
        raise SavedModelError(f"{source} {what}. Give the folder that save_model wrote")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise SavedModelError(f"{path} is damaged: {error}. Copy the folder again") from error
    try:
        config = FORMAT.upgrade(config)
    except FormatError as error:
        raise SavedModelError(f"{path} {error}") from error
    if "sha256" in config:  # the oldest models have no digest of the recipe
        config["weights_sha256"] = config["sha256"]
        config["recipe_sha256"] = digest_of(config.get("recipe"), compact=True)
    return config


@dataclass(frozen=True)
class _Extras:
    """What a config holds besides the recipe; models that were saved before it was recorded have none."""

    versions: dict[str, str] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    probe: Probe | None = None


class _Saved(NamedTuple):
    recipe: Recipe
    provenance: Provenance
    probe: Probe | None


def _made_with(recipe: Recipe) -> Provenance:
    recorded = Provenance(recipe.revisions, recipe.owners, recipe.plugins)
    try:
        return provenance_of(recorded.bind(default_registry()), recipe.revisions)
    except FlowzooError:  # the model was built of components of a registry of its own
        return recorded


def _saved(source: Path, config: dict[str, Any]) -> _Saved:
    recipe = _read_recipe(source, config)
    extras = _validated(source, "", TypeAdapter(_Extras), config)
    versions = {"flowzoo": str(config.get("flowzoo", "?")), **extras.versions, **recipe.plugins}
    provenance = Provenance(recipe.revisions, recipe.owners, versions, extras.fingerprints)
    return _Saved(recipe, provenance, extras.probe)


def _read_recipe(source: Path, config: dict[str, Any]) -> Recipe:
    return _validated(source, "recipe", TypeAdapter(Recipe), config.get("recipe"))


def _validated(source: Path, name: str, adapter: TypeAdapter[T], data: Any) -> T:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in (name, *first["loc"]) if part != "")
        raise SavedModelError(f"{source / _CONFIG} is damaged: {where}: {first['msg']}") from error


def _read_weights(source: Path, config: dict[str, Any]) -> dict[str, Tensor]:
    path = source / _WEIGHTS
    if not path.is_file():
        raise SavedModelError(f"{path} is missing. Copy the folder again")
    try:
        weights = load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise SavedModelError(f"{path} is damaged: {error}. Copy the folder again") from error
    if digest_of_file(path) != config.get("weights_sha256"):
        raise SavedModelError(f"{path} is not the file that was saved: its sha256 differs. Copy it again")
    if digest_of(config["recipe"], compact=True) != config.get("recipe_sha256"):
        raise SavedModelError(
            f"{source / _CONFIG} was edited: its recipe is not the one that was saved; undo the edit, "
            "or train a model with the recipe that you want"
        )
    return weights


def _fill(flow: Flow, weights: dict[str, Tensor], source: Path) -> None:
    """Copy weights into a model, in the dtype in which they were saved."""
    own = flow.state_dict()
    for name, tensor in own.items():
        if name not in weights:
            raise SavedModelError(f"{source}: the weights lack '{name}', which the installed model has")
        if weights[name].shape != tensor.shape:
            raise SavedModelError(
                f"{source}: '{name}' has shape {tuple(weights[name].shape)} in the weights, "
                f"and {tuple(tensor.shape)} in the installed model"
            )
    unexpected = next((name for name in weights if name not in own), None)
    if unexpected is not None:
        raise SavedModelError(f"{source}: the weights hold '{unexpected}', which the installed model lacks")
    for name, tensor in (*flow.named_parameters(), *flow.named_buffers()):
        if name in weights:
            tensor.data = tensor.data.to(weights[name].dtype)
    flow.load_state_dict(weights)


def _move(flow: Flow, device: str | torch.device) -> Flow:
    try:
        return flow.to(device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"cannot move the model to device '{device}': {error}") from error
