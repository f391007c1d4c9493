"""Find the data key of a project, also after a crash in the middle of a rotation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.key_file import KeyFile, begin_key_file, change_key_file, read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import DRAFT, opens

InThread = Callable[..., Awaitable[Any]]  # runs a function with its arguments in a thread


class NewKey(Protocol):
    @property
    def plaintext(self) -> bytes: ...

    @property
    def wrapped(self) -> str: ...


class KeySource(Protocol):
    """The keys of one project, as BunKMS generates and unwraps them."""

    async def generate(self) -> NewKey: ...

    async def unwrap(self, wrapped: str) -> bytes: ...


async def find_key(directory: Path, source: KeySource, in_thread: InThread) -> tuple[KeyFile, bytes]:
    """Return the project's key file and its data key. A new project gets a key that is on disk before it is used.

    Call it under the project's lock. Raises: FileUnreadable, apsw.Error, and the errors of `source`.
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
    """Decide which of two keys is the file's, and forget the other one.

    The key file holds two keys when the server died during a rotation. The copy under the new key takes the place of
    the file in one rename, so the file opens under exactly one of them.
    """
    path = directory / DATABASE
    if await in_thread(opens, path, key):
        await in_thread((directory / DRAFT).unlink, True)
        kept = await in_thread(partial(change_key_file, directory, next=""))
        return kept or both, key
    key = await source.unwrap(both.next)
    if not await in_thread(opens, path, key):
        raise FileUnreadable("The project's file opens under neither of its two keys: restore it from a backup.")
    kept = await in_thread(partial(change_key_file, directory, wrapped=both.next, next=""))
    return kept or both, key
