"""Versions of stored records: each reader takes all older versions, which converters bring up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowzoo.errors import FlowzooError

Converter = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a record of one version, and returns it as one of the next version."""


class FormatError(FlowzooError, ValueError):
    """A record of a version that this flowzoo does not read."""


@dataclass(frozen=True)
class Format:
    """A record's versions.

    >>> def rename(record):
    ...     return {"colour": record["color"]}
    >>> paint = Format("schema", 2, {1: rename})
    >>> paint.upgrade({"schema": 1, "color": "red"})
    {'colour': 'red', 'schema': 2}

    Attributes:
        key: Where the record states its version.
        version: The version that is written now.
        converters: For each older version that can be read, the step to the next one.
        unstated: The version of a record that states none; None where every record states it.
    """

    key: str
    version: int
    converters: Mapping[int, Converter] = field(default_factory=dict)
    unstated: int | None = None

    def upgrade(self, data: Any) -> dict[str, Any]:
        """Return a record in the current version.

        Raises:
            FormatError: The data is no record, or one of a version that cannot be read.
        """
        if not isinstance(data, dict) or (self.key not in data and self.unstated is None):
            raise FormatError(f"states no {self.key}")
        record: dict[str, Any] = {str(name): value for name, value in data.items()}
        found = record.get(self.key, self.unstated)
        if type(found) is not int or (found != self.version and found not in self.converters):
            older = "".join(f", {version}" for version in sorted(self.converters, reverse=True))
            raise FormatError(f"has {self.key} {found!r:.20}, and this flowzoo reads {self.version}{older}")
        for version in range(found, self.version):
            record = self.converters[version](record)
        return {**record, self.key: self.version}
