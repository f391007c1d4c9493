"""The data key of each project: asked of BunKMS, kept wrapped beside the project's file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bunbase.bundoc.counted import fetched
from bunbase.bundoc.sqlite_engine.connection import DATABASE
from bunbase.bundoc.sqlite_engine.key_file import KeyFile, begin_key_file, change_key_file, read_key_file
from bunbase.bundoc.sqlite_engine.rekeying import DRAFT, opens
from bunbase.contracts.bundoc import DataUnreadable
from bunbase.contracts.bunkms import DataKey, DecryptionFailed, Kms


class DataKeys:
    """`in_thread`: does work on files. Whoever calls this holds the project's lock."""

    def __init__(self, kms: Kms, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self.kms = kms
        self.in_thread = in_thread

    async def of(self, project: str, directory: Path) -> tuple[KeyFile, bytes]:
        """Give the project's data key; for a new project, a new one that is safely stored before it is used.

        Raises: DataUnreadable, apsw.Error, and what BunKMS says.
        """
        key_file: KeyFile | None = await self.in_thread(read_key_file, directory)
        if key_file is None:
            new = await self.new(project)
            return await self.in_thread(begin_key_file, directory, new.wrapped), new.plaintext
        key = await self.unwrapped(project, key_file.wrapped)
        return await self._settled(project, directory, key_file, key) if key_file.next else (key_file, key)

    async def new(self, project: str) -> DataKey:
        with fetched():
            return await self.kms.generate_data_key(project, data_key_context(project))

    async def unwrapped(self, project: str, wrapped: str) -> bytes:
        """Raises: DataUnreadable, and what BunKMS says."""
        try:
            with fetched():
                return await self.kms.unwrap_data_key(project, data_key_context(project), wrapped)
        except DecryptionFailed as error:
            raise DataUnreadable("The project's data key was wrapped for another project, or is damaged.") from error

    async def rewrapped(self, project: str, wrapped: str) -> str:
        """Give the same key under the newest version of the project's key in BunKMS."""
        with fetched():
            return await self.kms.rewrap_data_key(project, data_key_context(project), wrapped)

    async def _settled(self, project: str, directory: Path, both: KeyFile, key: bytes) -> tuple[KeyFile, bytes]:
        """A crash came while the key was rotated: keep that one of the two keys which opens the file."""
        path = directory / DATABASE
        if await self.in_thread(opens, path, key):
            await self.in_thread((directory / DRAFT).unlink, True)
            kept = await self.in_thread(partial(change_key_file, directory, next=""))
            return kept or both, key
        key = await self.unwrapped(project, both.next)
        if not await self.in_thread(opens, path, key):
            raise DataUnreadable("The project's file opens under neither of its two keys: restore it from a backup.")
        kept = await self.in_thread(partial(change_key_file, directory, wrapped=both.next, next=""))
        return kept or both, key


def data_key_context(project: str) -> str:
    """Give what BunKMS binds the project's data key to."""
    return f"bundoc/{project}"
