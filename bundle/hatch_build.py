"""Fills in the dependencies of ``flowzoo-plugins``: every plugin of this repository, in this version."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class EveryPlugin(MetadataHookInterface):
    """Finds the plugins beside this folder; a source archive holds the list as it was found then."""

    def update(self, metadata: dict[str, Any]) -> None:
        folder = Path(self.root).parent / "plugins"
        projects = [tomllib.loads(path.read_text("utf-8")) for path in folder.glob("*/pyproject.toml")]
        names = sorted(project["project"]["name"] for project in projects)
        metadata["dependencies"] = [f"{name}=={metadata['version']}" for name in ("flowzoo", *names)]
