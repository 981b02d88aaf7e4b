"""The state that a training goes back to when its numbers are no longer finite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowzoo.files import write_atomically
from flowzoo.runfolder import RunFolder


class GoodState:
    """The checkpoint of the last good validation, or of the beginning of the stage.

    Other checkpoints are written at moments that the clock or a user chooses. Going back to one of these
    would make the model depend on when it was interrupted, so the good one is kept beside them. It costs disk
    space only while it is not the latest one.

    Args:
        folder: The run.
        latest_is_good: Whether the checkpoint that is there is a good one.
    """

    def __init__(self, folder: RunFolder, latest_is_good: bool) -> None:
        self._latest = folder.checkpoint
        self._kept = folder.good_checkpoint
        if latest_is_good:
            self._kept.unlink(missing_ok=True)  # a kill came before this

    @property
    def path(self) -> Path:
        """The file of the good state."""
        return self._kept if self._kept.exists() else self._latest

    @contextmanager
    def kept(self, next_is_good: bool) -> Iterator[None]:
        """Keep the good state while the block writes the next checkpoint in place of the latest one.

        Args:
            next_is_good: Whether the next one takes its place.

        Raises:
            FileError: It cannot be kept; the latest checkpoint stays as it is.
        """
        if not next_is_good and not self._kept.exists():
            try:
                os.link(self._latest, self._kept)
            except OSError:  # not every file system has links
                write_atomically(self._kept, self._latest.read_bytes())
        yield
        if next_is_good:
            self._kept.unlink(missing_ok=True)
