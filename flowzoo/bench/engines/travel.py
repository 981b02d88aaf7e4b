"""Files of a cell that ran on a machine which does not see the runner's folders."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from flowzoo.bench.artefacts import remove_artefacts


def pack(folder: Path) -> bytes:
    """Return the contents of a folder, uncompressed; empty for an empty folder.

    Weights and noise barely get smaller, so compression would cost time alone.
    """
    if not any(folder.iterdir()):
        return b""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return written.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write what :func:`pack` returned into a folder. Nothing is written outside of it."""
    if packed:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")


def deliver(packed: bytes, result: Path, draft: Path) -> None:
    """Write a cell's files beside each other, its result last, so that a result is never without its files.

    Args:
        packed: The files, as :func:`pack` returned them.
        result: The file of the result.
        draft: A folder of the same file system, where a draft may lie for a moment.
    """
    if not packed:
        return
    with tempfile.TemporaryDirectory(dir=draft) as arrived:
        unpack(packed, Path(arrived))
        remove_artefacts(result)
        for path in sorted(Path(arrived).iterdir(), key=lambda each: each.name == result.name):
            os.replace(path, result.parent / path.name)


def replace_contents(packed: bytes, folder: Path) -> None:
    """Replace what a folder holds by what was packed, if anything was."""
    if packed:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unpack(packed, folder)
