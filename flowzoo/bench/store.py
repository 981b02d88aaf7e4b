"""A folder of results: ``RESULTS/SUITE/*.json``, one file for each cell, with pictures of samples."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flowzoo.bench.artefacts import MODEL
from flowzoo.bench.kept_bits import KeptBits, read_kept_bits
from flowzoo.bench.result import Result, ResultError, read_result
from flowzoo.bench.verification import ENDING as VERIFICATION
from flowzoo.bench.verification import read_verification
from flowzoo.errors import FlowzooError
from flowzoo.files import make_folder, write_json
from flowzoo.shell import word

Identity = tuple[str, str, str, int, str, str, str]
"""Suite, data set, label, seed, data revision, kind of device and precision; the last three are empty where
unknown."""


class ResultsError(FlowzooError):
    """A folder of results that does not exist or holds none."""


@dataclass(frozen=True)
class SkippedFile:
    """A file that holds no result that can be read.

    Attributes:
        path: The file.
        reason: Why it holds none, in one line.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class Results:
    """What a folder holds.

    Attributes:
        results: The newest result of each cell, by suite, data set, label, seed, revision and kind of device.
        skipped: Files that hold no result.
        superseded: Number of older results of the same cells.
        folders: The folder of each result's file, by :func:`identity`.
        paths: Each result's file, likewise.
    """

    results: tuple[Result, ...]
    skipped: tuple[SkippedFile, ...]
    superseded: int
    folders: Mapping[Identity, Path]
    paths: Mapping[Identity, Path] = field(default_factory=dict)

    def picture(self, result: Result) -> Path | None:
        """Return where the result's picture of samples is, or None if there is none beside the record."""
        name = result.samples
        # A record may come from anyone, so it must not be able to show other files of this machine.
        if not name or name != Path(name).name or not name.lower().endswith(".png"):
            return None
        path = self.folders[identity(result)] / name
        return path if path.is_file() and not path.is_symlink() else None

    def verified(self, result: Result) -> bool:
        """Whether the result was verified with success, as it is now."""
        path = self.paths.get(identity(result))
        found = None if path is None else read_verification(path)
        return found is not None and found.passed

    def bits(self, result: Result) -> KeptBits | None:
        """Return the bits/dim of each of the result's images, or None if they were not kept."""
        folder = self.folders.get(identity(result))
        return None if folder is None else read_kept_bits(folder, result)


def read_results(folder: Path) -> Results:
    """Read the results below a folder.

    A file that is cut short, has another schema or is not a result is skipped and listed. Among several
    results of one cell (see :func:`identity`) the newest counts. Hidden folders are not read.

    Args:
        folder: The folder of all suites or of one suite, or a single JSON file.

    Raises:
        ResultsError: It does not exist, or nothing in it is a result.
    """
    if not folder.exists():
        raise ResultsError(f"there are no results at {folder}; {_advice(folder)}")
    newest: dict[Identity, tuple[Result, Path]] = {}
    skipped = []
    superseded = 0
    for path in _files(folder):
        try:
            result = read_result(_parse(path))
        except ResultError as error:
            skipped.append(SkippedFile(path, str(error)))
            continue
        same = identity(result)
        if same in newest:
            superseded += 1
        if same not in newest or when(newest[same][0]) <= when(result):
            newest[same] = (result, path)
    if not newest:
        raise ResultsError(_nothing(folder, skipped))
    kept = _without_overtaken(newest)
    superseded += len(newest) - len(kept)
    return Results(
        results=tuple(newest[same][0] for same in sorted(kept)),
        skipped=tuple(skipped),
        superseded=superseded,
        folders={same: newest[same][1].parent for same in kept},
        paths={same: newest[same][1] for same in kept},
    )


def suite_folder(out: Path, suite: str) -> Path:
    """Return the folder of a suite's results; that of a qualified name lies beside the others."""
    return out / suite.replace("/", "-")


def write_result(path: Path, result: Result) -> None:
    """Write a result as JSON, completely or not at all. Its folder is made.

    Raises:
        FileError: It cannot be written there.
    """
    make_folder(path.parent)
    write_json(path, result.plain())


def identity(result: Result) -> Identity:
    """Return what a newer result must have in common with an older one to replace it."""
    return (*result.row, result.data.revision, *result.platform)


def _without_overtaken(newest: Mapping[Identity, tuple[Result, Path]]) -> set[Identity]:
    """Leave out cells that failed before their data or device was known, and were run again later."""
    runs: dict[tuple[str, str, str, int], list[Identity]] = {}
    for same in newest:
        runs.setdefault(same[:4], []).append(same)

    def overtaken(same: Identity) -> bool:
        return any(
            _knows_more(other, same) and when(newest[other][0]) >= when(newest[same][0])
            for other in runs[same[:4]]
        )

    return {same for same in newest if not overtaken(same)}


def _knows_more(first: Identity, second: Identity) -> bool:
    """Whether both may be the same cell, and the first states something that the second leaves open."""
    pairs = list(zip(first[4:], second[4:], strict=True))
    return first != second and all(ours == theirs or not theirs for ours, theirs in pairs)


def when(result: Result) -> datetime:
    """Return the date of a result; the earliest of all if it states none."""
    try:
        date = datetime.fromisoformat(result.date)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _files(folder: Path) -> Iterable[Path]:
    if folder.is_file():
        return [folder]
    found = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not name.endswith(MODEL)]
        found += [Path(where, name) for name in files if _may_be_result(name)]
    return sorted(found)


def _may_be_result(name: str) -> bool:
    return name.endswith(".json") and not name.endswith(VERIFICATION) and not name.startswith(".")


def _parse(path: Path) -> Any:
    try:
        return json.loads(
            path.read_bytes(), parse_float=_finite, parse_int=_whole, parse_constant=_not_finite
        )
    except OSError as error:
        raise ResultError(f"it cannot be read ({error.strerror or error})") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError(f"it is no JSON, or cut short ({error})") from error


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        _not_finite(text)
    return int(text)


def _not_finite(text: str) -> float:
    raise ResultError(f"it holds {text:.20}, and figures have to be finite")


def _nothing(folder: Path, skipped: list[SkippedFile]) -> str:
    if not skipped:
        return f"{folder} holds no results; {_advice(folder)}"
    first = skipped[0]
    count = f"{len(skipped)} file{'s' if len(skipped) > 1 else ''}"
    return f"{folder} holds no results, though {count} of JSON: {first.path.name}: {first.reason}"


def _advice(folder: Path) -> str:
    return f"run: flowzoo bench run quick --out {word(folder)}"


_DIGITS = 30
"""Most digits of a number in JSON: an integer with more is too large for a float."""
