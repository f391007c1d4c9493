"""Write files that contain a secret. A file is written completely or not at all, and only its owner can read it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bunbase.pkg.ids import new_id

OWNER_ONLY = 0o600


def create_secret_file(path: Path, text: str) -> bool:
    """Write a new file that survives a crash. If the file exists already, leave it unchanged and return False."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{new_id()}")
    write_synced(draft, text)
    try:
        os.link(draft, path)  # Unlike a rename, a link never replaces a file that another process has just created.
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_directory(path.parent)
    return True


def replace_secret_file(path: Path, text: str) -> None:
    """Replace the content of a file. After a crash, the file has either the old content or the new content."""
    draft = path.with_name(f".{path.name}.{new_id()}")
    try:
        write_synced(draft, text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)  # Nothing else would ever delete this copy of the secret.
        raise
    sync_directory(path.parent)


def write_synced(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Write the entries of a directory to disk, so that new and renamed files survive a crash."""
    if sys.platform == "win32":  # Windows cannot open directories.
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
