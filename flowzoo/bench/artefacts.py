"""What lies beside a cell's record: the model's weights, and the bits/dim of each image."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from flowzoo.digest import digest_of_file
from flowzoo.evaluation.image_conditions import bits_file
from flowzoo.files import whole_folder, write_atomically

MODEL = ".model"


def model_folder(record: Path) -> Path:
    """Return the folder of the model that belongs to a record.

    >>> model_folder(Path("results/quick/digits--glow.json")).as_posix()
    'results/quick/digits--glow.model'
    """
    return record.with_suffix(MODEL)


def keep_artefacts(record: Path, model: Path, bits: Path) -> dict[str, str]:
    """Copy a trained model and the bits/dim of its images beside a record, where there are none yet.

    Args:
        record: The record's file, which need not exist.
        model: Folder of the saved model.
        bits: File of the bits/dim, which need not exist.

    Returns:
        The files' SHA-256, by their paths relative to the record's folder.

    Raises:
        FileError: They cannot be written there.
    """
    with whole_folder(model_folder(record)) as made:
        for each in sorted(model.iterdir()):
            shutil.copyfile(each, made / each.name)
    if bits.is_file():
        write_atomically(bits_file(record), bits.read_bytes())
    return digests(record)


def remove_artefacts(record: Path) -> None:
    """Remove what an earlier run of a cell left beside its record."""
    shutil.rmtree(model_folder(record), ignore_errors=True)
    bits_file(record).unlink(missing_ok=True)


def digests(record: Path) -> dict[str, str]:
    """Return the SHA-256 of the files beside a record, by their paths relative to its folder."""
    folder = model_folder(record)
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    found += [path for path in [bits_file(record)] if path.is_file()]
    return {path.relative_to(record.parent).as_posix(): digest_of_file(path) for path in found}


def faults(record: Path, stated: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the files beside a record, a line each; empty if they are as stated."""
    found = digests(record)
    missing = [f"{name} is missing" for name in stated if name not in found]
    strange = [f"{name} is not in the record" for name in found if name not in stated]
    other = [
        f"{name} is another file than the one that was measured (its SHA-256 differs)"
        for name, digest in stated.items()
        if name in found and found[name] != digest
    ]
    return missing + strange + other
