"""The lock of a data directory. Only one process may use the directory: two writers would be slower, and two caches of
keys would be unsafe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.file_lock import Held, hold_file
from bunbase.pkg.secret_files import sync_directory


class DirectoryTaken(CannotStart):
    """Another process works in this directory."""


@contextmanager
def directory_lock(directory: Path, owner: str) -> Iterator[None]:
    """Lock the directory during the block. Create it first if it is missing.

    The kernel releases the lock when the process ends. Wait for an earlier holder that was killed but has not ended
    yet.
    `owner`: the name of the room, for the message. Raises: DirectoryTaken.
    """
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)
    try:
        descriptor = hold_file(directory / "lock")
    except Held as held:
        raise DirectoryTaken(
            f"{directory} is in use by another {owner} (process {held.holder}): stop it, or use another data directory."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
