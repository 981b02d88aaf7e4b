"""The folder of what can be computed again."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "FLOWZOO_CACHE"
"""Environment variable that names the folder; by default it is ``~/.cache/flowzoo``."""


def cache_folder() -> Path:
    """Return the cache folder. It may be deleted at any time: its content is then computed again.

    Raises:
        RuntimeError: There is no home folder.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "flowzoo"
