"""Find the data key of a project, even after a crash during a rotation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.key_file import KeyFile, begin_key_file, change_key_file, read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import DRAFT, opens

InThread = Callable[..., Awaitable[Any]]  # The function runs another function with its arguments in a thread.


class NewKey(Protocol):
    @property
    def plaintext(self) -> bytes: ...

    @property
    def wrapped(self) -> str: ...


class KeySource(Protocol):
    """Generates and unwraps the data keys of one project. BunKMS implements this."""

    async def generate(self) -> NewKey: ...

    async def unwrap(self, wrapped: str) -> bytes: ...


async def find_key(directory: Path, source: KeySource, in_thread: InThread) -> tuple[KeyFile, bytes]:
    """Return the project's key file and its data key. For a new project, create a key and store it on disk first.

    The caller must hold the lock of the project. Raises: FileUnreadable, apsw.Error, and the errors of `source`.
    """
    key_file: KeyFile | None = await in_thread(read_key_file, directory)
    if key_file is None:
        new = await source.generate()
        return await in_thread(begin_key_file, directory, new.wrapped), new.plaintext
    key = await source.unwrap(key_file.wrapped)
    return await _settle(directory, key_file, key, source, in_thread) if key_file.next else (key_file, key)


async def _settle(
    directory: Path, both: KeyFile, key: bytes, source: KeySource, in_thread: InThread
) -> tuple[KeyFile, bytes]:
    """Return the key that opens the database, and remove the other key from the key file.

    If the server died during a rotation, the key file contains two keys. A rotation replaces the database by a copy
    with the new key in one rename. So exactly one of the two keys opens the database.
    """
    path = directory / DATABASE
    if await in_thread(opens, path, key):
        await in_thread((directory / DRAFT).unlink, True)
        kept = await in_thread(partial(change_key_file, directory, next=""))
        return kept or both, key
    key = await source.unwrap(both.next)
    if not await in_thread(opens, path, key):
        raise FileUnreadable("Neither of the two keys opens the project's database: restore it from a backup.")
    kept = await in_thread(partial(change_key_file, directory, wrapped=both.next, next=""))
    return kept or both, key
