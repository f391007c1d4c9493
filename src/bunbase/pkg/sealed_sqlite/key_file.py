"""Read and write `key.json`, the file in the directory of a project's database that contains its wrapped data key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.secret_files import create_secret_file, replace_secret_file, sync_directory

NAME: Final = "key.json"


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a key file.

    `wrapped`: the data key, wrapped by BunKMS.
    `complete`: True as soon as the database was created and synced. After that, a missing or empty database means that
    data is lost. Before that, no write was acknowledged, so an unfinished database may be deleted.
    `next`: during a rotation, the wrapped new key. During a rotation, one of the two keys opens the database.
    `since`: the time at which this data key came into use; "" for the first key.
    """

    wrapped: str
    complete: bool = False
    format: int = 1
    next: str = ""
    since: str = ""


def read_key_file(directory: Path) -> KeyFile | None:
    """Return the key file, or None if there is none. Raises: FileUnreadable if it is damaged."""
    path = directory / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise FileUnreadable(f"The key file is damaged: {error}.") from error


def begin_key_file(directory: Path, wrapped: str) -> KeyFile:
    """Store the key of a new project, and sync it to disk.

    Raises: FileUnreadable if there is already a database. The key file of such a database is lost, and a new key cannot
    open the database.
    """
    if (directory / DATABASE).exists():
        raise FileUnreadable("The project's key file is missing: restore it from a backup.")
    if not directory.exists():
        directory.mkdir(mode=0o700)
        sync_directory(directory.parent)
    begun = KeyFile(wrapped)
    create_secret_file(directory / NAME, _text(begun))
    return begun


def complete_key_file(directory: Path, wrapped: str) -> None:
    """Store `wrapped` as the key of a complete database."""
    replace_secret_file(directory / NAME, _text(KeyFile(wrapped, complete=True)))


def change_key_file(directory: Path, **values: str) -> KeyFile | None:
    """Change values in the key file, sync it to disk, and return it. Return None if there is no key file."""
    found = read_key_file(directory)
    if found is None:
        return None
    new = msgspec.structs.replace(found, **values)
    replace_secret_file(directory / NAME, _text(new))
    return new


def _text(file: KeyFile) -> str:
    return msgspec.json.format(msgspec.json.encode(file)).decode() + "\n"
