"""Downloads a saved model from the hub into its cache: the configuration and the weights, no other file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from flowzoo.digest import digest_of_file
from flowzoo.errors import HubError
from flowzoo.hub.client import answered, explained, in_words, library, short
from flowzoo.hub.name import HubName

CONFIG, WEIGHTS = "config.json", "model.safetensors"

SECONDS = 10.0
"""How long the hub may take to answer, before what is in the cache is used."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


def download(name: HubName) -> Path:
    """Return the folder in the hub's cache that holds a model; what is missing there is downloaded.

    Both files are those of one commit. A commit that is in the cache needs no network. Without a network, a
    branch or a tag is what it was when it was downloaded last.

    Args:
        name: The model.

    Raises:
        HubError: There is no such model or revision, or it may not be read; it is no model of flowzoo's; it
            cannot be downloaded; or ``huggingface_hub`` is not installed.
    """
    hub = library()
    unreached = None if _is_cached(hub, name) else _look_up(hub, name)
    with explained(name, "read"):
        try:
            config = _file(hub, name, CONFIG, name.revision or "main", unreached)
            stated = stated_digest(config, name)
            weights = _file(hub, name, WEIGHTS, config.parent.name, unreached)
            if stated != digest_of_file(weights) and unreached is None:
                weights = _file(hub, name, WEIGHTS, config.parent.name, unreached, again=True)
        except hub.errors.LocalEntryNotFoundError as error:
            raise HubError(
                f"{name} is not in the cache, and the hub cannot be reached "
                f"({short(unreached or error)}). Connect to the network, and try again"
            ) from error
    if stated != digest_of_file(weights):
        remedy = (
            "Its owner must push it again" if unreached is None else "Connect to the network, and try again"
        )
        raise HubError(
            f"{WEIGHTS} of {name} is cut short or another model's: its sha256 is not the one in {CONFIG}. "
            f"{remedy}"
        )
    return config.parent


def _is_cached(hub: Any, name: HubName) -> bool:
    """Whether a commit is in the cache; branches and tags may have moved since they were downloaded."""
    found = [
        hub.try_to_load_from_cache(name.repository, file, revision=name.revision)
        for file in (CONFIG, WEIGHTS)
        if _COMMIT.fullmatch(name.revision)
    ]
    return bool(found) and all(isinstance(each, str) for each in found)


def _look_up(hub: Any, name: HubName) -> Exception | None:
    """Check that the hub has the model, and return why the hub is not reached, if it is not."""
    try:
        found = hub.HfApi().model_info(name.repository, revision=name.revision or None, timeout=SECONDS)
    except Exception as error:  # the library passes on any exception of its HTTP client
        if answered(error) or isinstance(error, hub.errors.HFValidationError):
            raise HubError(in_words(error, name, "read")) from error
        return error
    files = [each.rfilename for each in found.siblings or ()]
    for file in (CONFIG, WEIGHTS):
        if file not in files:
            raise HubError(f"{name} is not a model of flowzoo's: it has no {file}. Check the name")
    return None


def _file(
    hub: Any, name: HubName, file: str, revision: str, unreached: Exception | None, again: bool = False
) -> Path:
    """Return a file's place in the cache, whose folder has the name of the commit."""
    return Path(
        hub.hf_hub_download(
            name.repository,
            file,
            revision=revision,
            local_files_only=unreached is not None,
            force_download=again,
        )
    )


def stated_digest(config: Path | str, name: HubName) -> str:
    """Return the digest of the weights, from the configuration of a model of flowzoo's.

    Raises:
        HubError: It is not that of a model of flowzoo's.
    """
    try:
        found = json.loads(Path(config).read_text(encoding="utf-8"))
        digest = found.get("weights_sha256") or found["sha256"]
        return str(digest if found["recipe"] else "")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise HubError(
            f"{name} is not a model of flowzoo's: its {CONFIG} is damaged, or another library's. "
            "Check the name"
        ) from error
