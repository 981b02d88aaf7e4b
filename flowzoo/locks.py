"""Locks on folders, so that only one process works in a folder."""

from __future__ import annotations

import errno
import fcntl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flowzoo.errors import InUseError
from flowzoo.files import writing

_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of file systems without locks, as some network and FUSE file systems are."""


@contextmanager
def hold(path: Path, busy: str, timeout: float = 0.0) -> Iterator[None]:
    """Hold a lock file for as long as the block runs.

    The system releases it when the process ends, however it ends, so the lock of a killed process
    blocks no other one.

    Args:
        path: The lock file; its folder exists.
        busy: The message if another process holds it.
        timeout: Seconds to wait for it.

    Raises:
        InUseError: Another process holds it.
        FileError: The lock file cannot be made.
    """
    lock = FileLock(path, timeout=timeout)
    if _acquire(lock, path, busy):
        try:
            yield
        finally:
            lock.release()
    else:
        yield


def is_held(path: Path) -> bool:
    """Return whether another process holds a lock file; where the system cannot tell, whether it exists."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # until the file is closed
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _acquire(lock: FileLock, path: Path, busy: str) -> bool:
    """Return whether the lock is held. It is not if the file system has no locks."""
    with writing(path), warnings.catch_warnings():
        # If it can, filelock switches to lock files that need no support of the file system, and warns.
        warnings.simplefilter("ignore")
        try:
            lock.acquire()
        except Timeout as error:
            raise InUseError(busy) from error
        except NotImplementedError:
            return False
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                return False
            raise
    return True
