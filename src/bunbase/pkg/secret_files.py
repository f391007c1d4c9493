"""Files that hold a secret: made once, whole or not at all, for their owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

from bunbase.pkg.ids import new_id

OWNER_ONLY = 0o600


def create_secret_file(path: Path, text: str) -> bool:
    """Write a new file that survives a crash; False if there is one already, which then stays as it is."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{new_id()}")
    write_synced(draft, text)
    try:
        os.link(draft, path)  # unlike a rename, this never replaces a file made meanwhile
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_directory(path.parent)
    return True


def replace_secret_file(path: Path, text: str) -> None:
    """Put new content in place of the old; a crash leaves one or the other."""
    draft = path.with_name(f".{path.name}.{new_id()}")
    write_synced(draft, text)
    draft.rename(path)
    sync_directory(path.parent)


def write_synced(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a crash."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
