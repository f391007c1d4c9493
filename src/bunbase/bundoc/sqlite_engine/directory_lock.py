"""One process owns the data directory: two writers on one file would be slower, and two key caches unsafe."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.secret_files import sync_directory


class DirectoryTaken(CannotStart):
    """Another process works in this directory."""


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Hold the directory, made if need be, while the block lasts; the kernel lets go if the process dies.

    Raises: DirectoryTaken.
    """
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            raise DirectoryTaken(
                f"{directory} is in use by another Bundoc (process {owner}): stop it, or use another data directory."
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
