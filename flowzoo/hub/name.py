"""Names of models on the Hugging Face hub, such as ``hf-hub:owner/name@revision``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from flowzoo.errors import HubError

PREFIX = "hf-hub:"

_NAME = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?", re.ASCII)


@dataclass(frozen=True)
class HubName:
    """A model on the hub.

    Attributes:
        repository: ``owner/name``.
        revision: A commit, a tag or a branch; empty for the newest commit.
    """

    repository: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(place: str | os.PathLike[str]) -> bool:
    """Whether a place of a model is a name on the hub, and not a path."""
    return os.fspath(place).startswith(PREFIX)


def parse_hub_name(text: str | os.PathLike[str]) -> HubName:
    """Read a name.

    Raises:
        HubError: It is malformed.

    >>> parse_hub_name("hf-hub:flowzoo/mrcnf-digits@v1")
    HubName(repository='flowzoo/mrcnf-digits', revision='v1')
    """
    given = os.fspath(text)
    found = _NAME.fullmatch(given.removeprefix(PREFIX))
    if not given.startswith(PREFIX) or found is None or ".." in given:
        raise HubError(
            f"'{given:.200}' is not a name on the hub. Write hf-hub:OWNER/NAME, or "
            "hf-hub:OWNER/NAME@REVISION for a commit or a tag"
        )
    return HubName(found["repository"], found["revision"] or "")
