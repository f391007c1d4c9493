"""`key.json` beside a project's file: its data key as BunKMS wrapped it, and whether the file was ever complete."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bunbase.bundoc.sqlite_engine.connection import DATABASE
from bunbase.contracts.bundoc import DataUnreadable
from bunbase.pkg.secret_files import create_secret_file, replace_secret_file, sync_directory

NAME: Final = "key.json"


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`complete`: the database was made and synced; from then on, a missing or empty one means loss, not a beginning.

    Until then nobody was told that anything is stored, and whatever is there may be thrown away.

    `next`: while the key is being rotated, the one that takes its place; the file opens under one of the two.
    `since`: when this data key came into use, empty for the first one.
    """

    wrapped: str
    complete: bool = False
    format: int = 1
    next: str = ""
    since: str = ""

    @property
    def version(self) -> int:
        """Which version of the project's key in BunKMS wraps the data key (`contracts.bunkms.DataKey`)."""
        try:
            return int(self.wrapped.split(":")[1].removeprefix("v"))
        except (IndexError, ValueError):
            raise DataUnreadable("The key file is damaged: what it holds is no wrapped key.") from None


def read_key_file(directory: Path) -> KeyFile | None:
    """Raises: DataUnreadable when there is a file that is not one of ours."""
    path = directory / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise DataUnreadable(f"The key file is damaged: {error}.") from error


def begin_key_file(directory: Path, wrapped: str) -> KeyFile:
    """Store a new project's key, on disk when this returns.

    Raises: DataUnreadable when there is a database already: its key file was lost, and a new key would not open it.
    """
    if (directory / DATABASE).exists():
        raise DataUnreadable("The project's key file is missing: restore it from a backup.")
    if not directory.exists():
        directory.mkdir(mode=0o700)
        sync_directory(directory.parent)
    begun = KeyFile(wrapped)
    create_secret_file(directory / NAME, _text(begun))
    return begun


def complete_key_file(directory: Path, wrapped: str) -> None:
    replace_secret_file(directory / NAME, _text(KeyFile(wrapped, complete=True)))


def change_key_file(directory: Path, **changed: str) -> KeyFile | None:
    """Put new values into a project's key file, on disk when this returns; None when there is no such file."""
    found = read_key_file(directory)
    if found is None:
        return None
    new = msgspec.structs.replace(found, **changed)
    replace_secret_file(directory / NAME, _text(new))
    return new


def _text(file: KeyFile) -> str:
    return msgspec.json.format(msgspec.json.encode(file)).decode() + "\n"
