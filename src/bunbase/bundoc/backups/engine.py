"""The Protocol that backups need from an engine.

A copy is a folder of files, encrypted under the project's data key.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bunbase.contracts.bundoc.backups import BackedUpCollection, BackupFailed
from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.pkg.errors import DeadlineExceeded

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class Contents(msgspec.Struct, frozen=True):
    """Describes a copy of a project.

    `key_version`: the version of the project's key in BunKMS that wraps the copy's data key. `seq`: the number of the
    newest change. `source_changed_at`: the time of the last write to the project's files before the copy, in
    nanoseconds since 1970.
    """

    format: int
    key_version: int
    seq: int
    source_changed_at: int
    collections: tuple[BackedUpCollection, ...]


class Progress:
    """The progress of work in a thread. Another thread can stop the work, which then ends at its next step.

    `on_step`: called after each step; the first call shows that the snapshot of the documents is fixed. `restarts`: the
    number of times that the copy of the documents began again with a newer snapshot.
    """

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes = 0
        self.stopped = threading.Event()
        self.too_late = False
        self.restarts = 0
        self.on_step: Callable[[], object] = lambda: None
        self.given_up: Callable[[], bool] = lambda: False

    @contextmanager
    def unless(self, given_up: Callable[[], bool]) -> Iterator[None]:
        """During the block, also stop the work if `given_up` returns True."""
        before, self.given_up = self.given_up, given_up
        try:
            yield
        finally:
            self.given_up = before

    def tell(self, done_bytes: int, total_bytes: int) -> None:
        """Record the progress. Raises: BackupFailed or DeadlineExceeded if the work must stop."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes
        self.on_step()
        self.go_on()

    def go_on(self) -> None:
        """Check that the work may continue. Raises: BackupFailed or DeadlineExceeded if the work must stop."""
        if self.too_late:
            raise DeadlineExceeded("The work took longer than bundoc.backup_seconds and was stopped.")
        if self.stopped.is_set() or self.given_up():
            raise BackupFailed(
                "The work was stopped, because the project was closed or deleted, or the server is shutting down."
            )

    def stop(self, too_late: bool = False) -> None:
        self.too_late = too_late
        self.stopped.set()


async def _nothing() -> None:
    return


class Safety(msgspec.Struct, frozen=True):
    """The backup of the present documents and files, which a restore makes before it replaces them.

    `folder`: the folder for the copy of the project's present file. `keep`: a function that is called with the contents
    of this copy, before the file is replaced. It is not called if the project has no readable file, nor if it has no
    collections, unless `always` is true.

    `restore`: the id of a restore of files that belongs to this one; "" for none. `close_files`: a function that closes
    the files of the project. It is called after the documents were closed.
    """

    folder: Path
    keep: Callable[[Contents], Awaitable[None]]
    always: bool = False
    restore: str = ""
    close_files: Callable[[], Awaitable[None]] = _nothing


class CommittedRestore(msgspec.Struct, frozen=True):
    """A restore with files that can no longer be undone: its documents are or will be restored, and then its files must
    be restored too. `wrapped`: the key of the documents, if the project had lost its key; otherwise "".
    """

    project: str
    restore: str
    wrapped: str


class Copies(Protocol):
    """Makes, examines and restores copies of projects.

    Every method may raise DataUnreadable, DiskFull, BundocBusy, DeadlineExceeded, BackupFailed, and the errors of
    BunKMS.
    """

    async def projects(self) -> list[str]:
        """Return all projects that have stored data."""
        ...

    async def size(self, project: str) -> int:
        """Return the approximate size of a copy in bytes."""
        ...

    async def changed_at(self, project: str) -> int | None:
        """Return the time of the last write to the project's files, in nanoseconds since 1970; None if the project has
        no files.
        """
        ...

    async def born_at(self, project: str) -> float:
        """Return the time at which the project was first stored, in seconds since 1970."""
        ...

    async def create(self, project: str) -> None:
        """Create the files of a project that never had a document, so that it can be copied."""
        ...

    async def committed(self) -> list[CommittedRestore]:
        """Return the restores whose files must still follow. They survive a crash."""
        ...

    async def forget(self, restore: str) -> None:
        """Forget a committed restore, because its files have followed. Idempotent."""
        ...

    async def copy(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Copy a snapshot of the project into an empty folder. Writes continue meanwhile."""
        ...

    async def examine(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Read every page of a copy and return its contents, with 0 for `source_changed_at`.

        Raises: BackupDamaged, BackupTooNew.
        """
        ...

    async def replace(self, project: str, source: str, folder: Path, safety: Safety, progress: Progress) -> Contents:
        """Replace all data of the project by a copy of the project `source`, encrypted under the project's own key.

        `folder`: the folder of the copy. If this fails, the project keeps its data. While this runs, other calls fail
        with ProjectRestoring. For a restore with files (`safety.restore`): as soon as the restore can no longer be
        undone, it is in `committed`, and it is finished even after a crash. New changes get higher numbers than all
        earlier changes.

        Raises: the problems of `examine`.
        """
        ...


def disk_problem(error: OSError) -> Exception:
    """Return the Problem to raise after the disk has reported this error."""
    if error.errno in NO_ROOM:
        return DiskFull("There is not enough space for the backup: free some space, then try again.")
    return BackupFailed(f"The disk failed: {error.strerror or type(error).__name__}. The server's log has the details.")
