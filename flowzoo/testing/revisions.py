"""A check of data sets: their revision depends on their images, and on nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowzoo.data.dataset import SPLITS, Dataset
from flowzoo.errors import FlowzooError
from flowzoo.registry.signature import Option, options_of
from flowzoo.testing.contents import Contents, read_contents
from flowzoo.testing.files import given_folders, load
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

MOST_BYTES = 2**27
"""Largest size of a folder of files that the check copies."""

MOST_FILES = 2000

TRIED = 3
"""Largest number of files that are replaced, one after another, until one of them changes the images."""


def has_a_revision_of_its_images(trial: Trial) -> None:
    """Other images have another revision. The same files in another folder have the same revision.

    Other images come from other options, and from a copy of the folder in which one file replaces another.
    """
    first = load(trial)
    contents = read_contents(first)
    for name, value in _alternatives(trial):
        try:
            other = load(_with_options(trial, **{name: value}))
            held = read_contents(other)
        except FlowzooError:
            continue  # it may refuse some values
        _require_another_revision(first, contents, other, held, f"with {name}={value!r}")
    for name, root in given_folders(trial).items():
        _try_files(trial, name, root, first, contents)


def _try_files(trial: Trial, name: str, root: Path, first: Dataset, contents: dict[str, Contents]) -> None:
    files = [path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file()]
    if len(files) > MOST_FILES or sum((root / path).stat().st_size for path in files) > MOST_BYTES:
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(root, copy)
        moved = load(_with_options(trial, **{name: str(copy)}))
        require(
            moved.info.revision == first.info.revision,
            "the same files in another folder have another revision, which must depend on the images alone",
        )
        for path, donor in _replacements(root, files):
            shutil.copyfile(root / donor, copy / path)
            try:
                other = load(_with_options(trial, **{name: str(copy)}))
                held = read_contents(other)
            except FlowzooError:
                held = contents
            finally:
                shutil.copyfile(root / path, copy / path)
            if held != contents:
                _require_another_revision(first, contents, other, held, f"with another file as {path}")
                return


def _require_another_revision(
    first: Dataset,
    contents: dict[str, Contents],
    other: Dataset,
    held: dict[str, Contents],
    what: str,
) -> None:
    meaning = (first.info.shape, first.info.bins) == (other.info.shape, other.info.bins)
    for split in SPLITS:
        if meaning and contents[split].same_images(held[split]):
            continue
        require(
            first.info.revision != other.info.revision,
            f"{what}, split '{split}' holds other images under the same revision; make it a hash of them",
        )
        own = (first.info.revisions.get(split), other.info.revisions.get(split))
        require(
            own[0] is None or own[0] != own[1],
            f"{what}, split '{split}' holds other images under the same revision of that split",
        )


def _alternatives(trial: Trial) -> Iterator[tuple[str, Any]]:
    """Yield options with other values than the trial's, if their types list such values."""
    for name, option in options_of(trial.component).items():
        current = trial.check.options.get(name, option.default)
        for value in _values(option):
            if value != current:
                yield name, value


def _values(option: Option) -> list[Any]:
    schema = option.schema
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [False, True]
    if schema.get("type") == "integer" and isinstance(option.default, int):
        return [option.default + 1]
    return []


def _replacements(root: Path, files: list[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield a file, and another one of the same ending that can stand in for it."""
    tried = 0
    for place in dict.fromkeys((0, len(files) // 2, len(files) - 1)):
        path = files[place]
        content = (root / path).read_bytes()
        alike = (each for each in files if each.suffix == path.suffix and each != path)
        donor = next((each for each in alike if (root / each).read_bytes() != content), None)
        if donor is not None and tried < TRIED:
            tried += 1
            yield path, donor


def _with_options(trial: Trial, **options: Any) -> Trial:
    return trial.with_check(options={**trial.check.options, **options})
