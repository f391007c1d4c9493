"""The data key of each project.

BunKMS generates and unwraps the key; the project's directory stores the wrapped form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bunbase.bundoc.counted import fetched
from bunbase.contracts.bundoc.problems import DataUnreadable
from bunbase.contracts.bunkms import DataKey, DecryptionFailed, Kms
from bunbase.pkg.sealed_sqlite.data_key import find_key
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.key_file import KeyFile


class DataKeys:
    """Gets data keys from BunKMS.

    The caller must hold the project's lock. `in_thread`: a function that runs work on files in a thread.
    """

    def __init__(self, kms: Kms, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self.kms = kms
        self.in_thread = in_thread

    async def find(self, project: str, directory: Path) -> tuple[KeyFile, bytes]:
        """Return the project's data key. A new project gets a new data key.

        Raises: DataUnreadable, apsw.Error, and the errors of BunKMS.
        """
        try:
            return await find_key(directory, _ProjectKeys(self, project), self.in_thread)
        except FileUnreadable as unreadable:
            raise DataUnreadable(str(unreadable)) from unreadable

    async def generate(self, project: str) -> DataKey:
        with fetched():
            return await self.kms.generate_data_key(project, data_key_context(project))

    async def unwrap(self, project: str, wrapped: str) -> bytes:
        """Unwrap a data key. Raises: DataUnreadable, and the errors of BunKMS."""
        try:
            with fetched():
                return await self.kms.unwrap_data_key(project, data_key_context(project), wrapped)
        except DecryptionFailed as error:
            raise DataUnreadable("The project's data key was wrapped for another project, or is damaged.") from error

    async def rewrap(self, project: str, wrapped: str) -> str:
        """Return the same data key, wrapped under the newest version of the project's key in BunKMS."""
        with fetched():
            return await self.kms.rewrap_data_key(project, data_key_context(project), wrapped)


class _ProjectKeys:
    """The keys of one project, for `find_key`."""

    def __init__(self, keys: DataKeys, project: str) -> None:
        self.keys = keys
        self.project = project

    async def generate(self) -> DataKey:
        return await self.keys.generate(self.project)

    async def unwrap(self, wrapped: str) -> bytes:
        return await self.keys.unwrap(self.project, wrapped)


def data_key_context(project: str) -> str:
    """Return the context to which BunKMS binds the project's data key."""
    return f"bundoc/{project}"


def key_version(wrapped: str) -> int | None:
    """Return the version of the project's key in BunKMS that wraps this data key: N of `bunkms:vN:…`.

    Return None if the text is not a wrapped key.
    """
    version = wrapped.split(":")[1:2]
    return int(version[0][1:]) if version and version[0][1:].isdecimal() else None
