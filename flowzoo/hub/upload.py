"""Uploads files to a repository on the hub, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowzoo.errors import HubError
from flowzoo.hub.client import explained, library
from flowzoo.hub.download import CONFIG, stated_digest
from flowzoo.hub.name import HubName


def upload(name: HubName, files: Mapping[str, bytes], private: bool) -> HubName:
    """Upload files in one commit, so that an upload is there as a whole or not at all.

    Args:
        name: The model. A repository that does not exist is made.
        files: Their contents, by name.
        private: Make a repository that only its owner can read.

    Returns:
        The name with the commit.

    Raises:
        HubError: The hub does not accept the files; the repository holds another library's model; or it is
            public although it has to be private.
    """
    hub = library()
    api = hub.HfApi()
    with explained(name, "write"):
        api.create_repo(name.repository, private=private or None, exist_ok=True)
        found = api.model_info(name.repository)
        if private and not found.private:
            raise HubError(
                f"{name.repository} exists and is public, and --private only makes new repositories private. "
                "Choose another name, or change this one in its settings on the hub"
            )
        if CONFIG in [each.rfilename for each in found.siblings or ()]:
            stated_digest(hub.hf_hub_download(name.repository, CONFIG, revision=found.sha), name)
        made = api.create_commit(
            name.repository,
            [hub.CommitOperationAdd(path, content) for path, content in files.items()],
            commit_message="Upload a model of flowzoo's",
            parent_commit=found.sha,
        )
    return replace(name, revision=made.oid)
