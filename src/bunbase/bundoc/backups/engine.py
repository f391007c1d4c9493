"""The part of the engine that backups need. A copy is a folder of files that only this project's key opens."""

from __future__ import annotations

import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bunbase.contracts.bundoc.backups import BackedUpCollection, BackupFailed
from bunbase.contracts.bundoc.problems import DiskFull
from bunbase.pkg.errors import DeadlineExceeded

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class Contents(msgspec.Struct, frozen=True):
    """The contents of a copy.

    `key_version`: of the project's key in BunKMS that wraps the copy's data key. `seq`: the number of the newest
    change. `source_changed_at`: when the project's files were last written before the copy, in nanoseconds since 1970.
    """

    format: int
    key_version: int
    seq: int
    source_changed_at: int
    collections: tuple[BackedUpCollection, ...]


class Progress:
    """The progress of one piece of work in a thread, and the means to stop it from outside at its next step."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes = 0
        self.stopped = threading.Event()
        self.too_late = False
        self.given_up: Callable[[], bool] = lambda: False

    def unless(self, given_up: Callable[[], bool]) -> None:
        """Stop the work also when `given_up` returns True."""
        self.given_up = given_up

    def tell(self, done_bytes: int, total_bytes: int) -> None:
        """Note the progress. Raises: BackupFailed or DeadlineExceeded when the work must stop."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes
        self.go_on()

    def go_on(self) -> None:
        """Raises: BackupFailed or DeadlineExceeded when the work must stop."""
        if self.too_late:
            raise DeadlineExceeded("This took longer than bundoc.backup_seconds allows and was stopped.")
        if self.stopped.is_set() or self.given_up():
            raise BackupFailed("The work was stopped: the project was closed or deleted, or the server shuts down.")

    def stop(self, too_late: bool = False) -> None:
        self.too_late = too_late
        self.stopped.set()


class Safety(msgspec.Struct, frozen=True):
    """The safety copy of a restore.

    `folder`: where the project's present file is copied to. `keep`: called with the contents of this copy before the
    file is replaced; not called if there is no file, or none that can be read.
    """

    folder: Path
    keep: Callable[[Contents], Awaitable[None]]


class Copies(Protocol):
    """Make, examine and restore copies of projects.

    Every method may raise DataUnreadable, DiskFull, BundocBusy, DeadlineExceeded, BackupFailed, and the errors of
    BunKMS.
    """

    async def projects(self) -> list[str]:
        """Return all projects that have anything stored."""
        ...

    async def size(self, project: str) -> int:
        """Return about how many bytes a copy takes."""
        ...

    async def changed_at(self, project: str) -> int | None:
        """Return when the project's files were last written, in nanoseconds since 1970; None if there are none."""
        ...

    async def born_at(self, project: str) -> float:
        """Return when the project was first stored, in seconds since 1970."""
        ...

    async def copy(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Copy the project as it is at one moment into an empty folder, while writes go on."""
        ...

    async def examine(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Read every page of a copy and return its contents, with 0 for `source_changed_at`.

        Raises: BackupDamaged, BackupTooNew.
        """
        ...

    async def replace(self, project: str, source: str, folder: Path, safety: Safety, progress: Progress) -> Contents:
        """Replace everything that the project has by a copy of `source`, under the project's own key, or do nothing.

        `folder`: of the copy. Other calls fail with ProjectRestoring meanwhile. The numbers of changes continue above
        all numbers that were issued before. Raises: as `examine`.
        """
        ...


def disk_problem(error: OSError) -> Exception:
    """Return the Problem to raise for an error of the disk."""
    if error.errno in NO_ROOM:
        return DiskFull("There is no room for the backup: free some space, then try again.")
    return BackupFailed(f"The disk failed: {error.strerror or type(error).__name__}. The server's log says more.")
