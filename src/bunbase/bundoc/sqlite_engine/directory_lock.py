"""One process owns the data directory: two writers on one file would be slower, and two key caches unsafe."""

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
def directory_lock(directory: Path) -> Iterator[None]:
    """Hold the directory, made if need be, while the block lasts; the kernel lets go if the process dies.

    Waits, before anything is served, for a holder that was killed and is not yet gone. Raises: DirectoryTaken.
    """
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)
    try:
        descriptor = hold_file(directory / "lock")
    except Held as held:
        raise DirectoryTaken(
            f"{directory} is in use by another Bundoc (process {held.holder}): stop it, or use another data directory."
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
