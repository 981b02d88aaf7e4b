"""Versions of stored records. Each reader accepts all older versions, which converters update."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from flowzoo.errors import FlowzooError

T = TypeVar("T")

Converter = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a record of one version, and returns it as one of the next version."""


class FormatError(FlowzooError, ValueError):
    """A record that cannot be read. The message continues a sentence that begins with the file's name."""


@dataclass(frozen=True)
class Format:
    """A record's versions.

    >>> def rename(record):
    ...     return {"colour": record["color"]}
    >>> paint = Format("schema", 2, "Paint again", {1: rename})
    >>> paint.upgrade({"schema": 1, "color": "red"})
    {'colour': 'red', 'schema': 2}

    Attributes:
        key: Where the record states its version.
        version: The version that is written now.
        remedy: What the user can do about a damaged record.
        converters: For each older version that can be read, the step to the next one.
        unstated: The version of a record that states none; None where every record states it.
    """

    key: str
    version: int
    remedy: str
    converters: Mapping[int, Converter] = field(default_factory=dict)
    unstated: int | None = None

    def read_file(self, path: Path, record: TypeAdapter[T]) -> T:
        """Return the record that a JSON file of any version holds.

        Raises:
            FormatError: As in :meth:`read`, or the file is no JSON.
            OSError: The file cannot be opened.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FormatError(f"is damaged ({error}). {self.remedy}") from error
        return self.read(data, record)

    def read(self, data: Any, record: TypeAdapter[T]) -> T:
        """Return the record that plain data of any version hold.

        Raises:
            FormatError: The data are no record, a damaged one, or one of a version that cannot be read.
        """
        current = self.upgrade(data)
        try:
            return record.validate_python(current)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise FormatError(f"is damaged ({where}: {first['msg']}). {self.remedy}") from error

    def upgrade(self, data: Any) -> dict[str, Any]:
        """Return plain data of any version as those of the current version.

        Raises:
            FormatError: The data are no record, or one of a version that cannot be read.
        """
        if not isinstance(data, dict) or (self.key not in data and self.unstated is None):
            raise FormatError(
                f"states no {self.key}, so it is damaged or another kind of file. {self.remedy}"
            )
        record: dict[str, Any] = {str(name): value for name, value in data.items()}
        found = record.get(self.key, self.unstated)
        if type(found) is int and found > self.version:
            raise FormatError(
                f"has {self.key} {found}, so a newer flowzoo wrote it. This one reads up to {self.version}. "
                "Upgrade flowzoo"
            )
        if type(found) is not int or (found != self.version and found not in self.converters):
            older = "".join(f", {version}" for version in sorted(self.converters, reverse=True))
            raise FormatError(
                f"has {self.key} {found!r:.20}, and flowzoo reads {self.version}{older}. {self.remedy}"
            )
        for version in range(found, self.version):
            try:
                record = self.converters[version](record)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise FormatError(
                    f"is damaged: it lacks what a record of {self.key} {version} holds. {self.remedy}"
                ) from error
        return {**record, self.key: self.version}
