"""The files of a project in a backup: Bundoc copies them, and puts them back when a backup is restored.

A copy is the encrypted list of objects, and the sealed bytes of each blob that it names. Bundoc never sees plain bytes.

The steps of a restore, in this order:

1. `begin_restore`, then `feed_list` for each piece of the list of objects. `restored_list` checks it.
2. `lacking_blobs` yields the blobs that the project lacks, and `feed_blob` puts them there.
3. `prepare_restore` closes the project. The restore is then on disk, and a crash does not end it.
4. `commit_restore` or `abort_restore` opens the project again, with its new or its old files. Both are idempotent, so
   that Bundoc can repeat them after a crash. Bundoc decides which of them it is: see docs/decisions/0118.

A restore that gets no call for HOLD_SECONDS before `prepare_restore` ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final, Protocol

import msgspec

from bunbase.pkg.errors import Problem

HOLD_SECONDS: Final = 900.0  # without a call for so long, a copy or a restore has ended
NAMED_AT_ONCE: Final = 1000
COPIED_BYTES: Final = 1 << 20  # the largest piece of a list and of a blob


class CopyDamaged(Problem):
    """The list of objects or a blob of a copy is damaged, or belongs to another project."""

    status, code, title = 409, "copy_damaged", "The copy of the files is damaged"


class CopyTooNew(Problem):
    status, code, title = 409, "copy_too_new", "The copy of the files was written by a newer BunBase"


class RestoreEnded(Problem):
    status, code, title = 409, "restore_ended", "This restore of files has ended"


class CopiedList(msgspec.Struct, frozen=True, tag="list"):
    """The beginning of a copy. `wrapped`: the key of the list, wrapped by BunKMS for the project.

    `objects`, `bytes`: the number and the size of all objects; each copy of an object counts. `blobs`, `blob_bytes`:
    the blobs that the list names, and their bytes on the disk. `taken_at`: the moment of the copy. `changed_at`: the
    time of the last write before the copy, in nanoseconds since 1970.
    """

    wrapped: str
    objects: int
    bytes: int
    blobs: int
    blob_bytes: int
    taken_at: Annotated[datetime, msgspec.Meta(tz=True)]
    changed_at: int


class CopiedBytes(msgspec.Struct, frozen=True, tag="bytes"):
    data: bytes


class NamedBlob(msgspec.Struct, frozen=True, array_like=True):
    """`bytes`: the size on the disk."""

    id: str
    bytes: int


class NamedBlobs(msgspec.Struct, frozen=True, tag="blobs"):
    """At most NAMED_AT_ONCE blobs, in the order of their ids."""

    blobs: tuple[NamedBlob, ...]


class FilesState(msgspec.Struct, frozen=True):
    """`born_at`: the time at which the project was first stored, in seconds since 1970. `changed_at`: the time of the
    last write, in nanoseconds since 1970.
    """

    born_at: float
    changed_at: int


class FilesKey(msgspec.Struct, frozen=True):
    """The state of the key under which the list of objects of a project is encrypted. `since`: the time of its first
    use, null for the first key. `progress`: the progress of a rotation, 0 to 1. `failed`: the error code if the last
    rotation failed; then the old key is still in use.
    """

    since: str | None
    rotating: bool
    progress: float | None = None
    failed: str | None = None


class NewRestore(msgspec.Struct, frozen=True):
    """A restore of a copy of the project `source`. `id`: a new id. `wrapped`: the key of the list of objects, as in
    CopiedList; empty for a copy of a project without buckets. `only_check`: check the list and the blobs that are sent,
    and store nothing.
    """

    id: str
    source: str
    wrapped: str
    only_check: bool = False


class PreparedRestore(msgspec.Struct, frozen=True):
    project: str
    restore: str


class FileCopies(Protocol):
    """The interface for Bundoc, which checks who may make and restore backups.

    Each call may raise StorageUnreadable, StorageUnreachable, StorageBusy, DiskFull, and the problems of BunKMS.
    """

    async def file_projects(self) -> tuple[str, ...]:
        """Return all projects that have stored buckets."""
        ...

    async def files_state(self, project: str) -> FilesState | None:
        """Return None if the project has no buckets."""
        ...

    def copied_files(self, project: str) -> AsyncIterator[CopiedList | CopiedBytes | NamedBlobs]:
        """Yield the list of objects as it is now: one CopiedList, the bytes of the encrypted list, then its blobs.

        Yield nothing if the project has no buckets. The named blobs are not deleted until `release_files`, or until no
        call of `copied_blob` has come for HOLD_SECONDS.
        """
        ...

    def copied_blob(self, project: str, blob: str) -> AsyncIterator[CopiedBytes]:
        """Yield the sealed bytes of a blob. Raises: ObjectDamaged if it is missing."""
        ...

    async def release_files(self, project: str) -> None:
        """End a copy. Idempotent."""
        ...

    async def begin_restore(self, project: str, new: NewRestore) -> None:
        """Begin to restore files into `project`. A restore that runs in the project ends.

        Raises: CopyDamaged if the key does not belong to `new.source`.
        """
        ...

    async def feed_list(self, project: str, restore: str, data: bytes) -> None:
        """Raises: RestoreEnded."""
        ...

    async def restored_list(self, project: str, restore: str) -> CopiedList:
        """End the list, and check all its pages. Raises: RestoreEnded, CopyDamaged, CopyTooNew."""
        ...

    def lacking_blobs(self, project: str, restore: str) -> AsyncIterator[NamedBlobs]:
        """Yield the blobs that the list names and that the project lacks, or has only damaged; all if `only_check`.

        Raises: RestoreEnded.
        """
        ...

    async def feed_blob(self, project: str, restore: str, blob: str, data: bytes, last: bool) -> None:
        """Add at most COPIED_BYTES sealed bytes of a blob. After the `last` ones, the blob is checked and on disk.

        Raises: RestoreEnded, CopyDamaged.
        """
        ...

    async def prepare_restore(self, project: str, restore: str) -> None:
        """Close the project: other calls raise ProjectRestoring. The restore is then on disk. Raises: RestoreEnded."""
        ...

    async def commit_restore(self, project: str, restore: str) -> None:
        """Replace the files of a project by those of a prepared restore, and open it. Idempotent."""
        ...

    async def abort_restore(self, project: str, restore: str) -> None:
        """Forget a restore, prepared or not, and open the project with its old files. Idempotent."""
        ...

    async def prepared_restores(self) -> tuple[PreparedRestore, ...]:
        """Return the restores that wait for `commit_restore` or `abort_restore`."""
        ...
