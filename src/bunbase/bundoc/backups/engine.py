"""What backups ask of the engine. A copy is a folder of files that only this project's key opens."""

from __future__ import annotations

import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bunbase.contracts.backups import BackedUpCollection, BackupFailed
from bunbase.contracts.bundoc import DiskFull
from bunbase.pkg.errors import DeadlineExceeded

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class Contents(msgspec.Struct, frozen=True):
    """What a copy holds. `seq`: of the newest change in it."""

    format: int
    key_version: int
    seq: int
    source_changed_at: int
    collections: tuple[BackedUpCollection, ...]


class Progress:
    """How far a piece of work is, told by a thread; and the means to stop it from outside, at its next step."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self.total_bytes = 0
        self.stopped = threading.Event()
        self.too_late = False
        self.given_up: Callable[[], bool] = lambda: False

    def unless(self, given_up: Callable[[], bool]) -> None:
        """Stop also when this says so."""
        self.given_up = given_up

    def tell(self, done_bytes: int, total_bytes: int) -> None:
        """Raises: BackupFailed, DeadlineExceeded when the work is to stop."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes
        self.go_on()

    def go_on(self) -> None:
        """Raises: as `tell`."""
        if self.too_late:
            raise DeadlineExceeded("This took longer than bundoc.backup_seconds allows and was stopped.")
        if self.stopped.is_set() or self.given_up():
            raise BackupFailed("It was stopped: the project was closed or deleted, or the server is going down.")

    def stop(self, too_late: bool = False) -> None:
        self.too_late = too_late
        self.stopped.set()


class Safety(msgspec.Struct, frozen=True):
    """Where what is replaced is copied to, and what is called with its contents before it is replaced.

    It is not called when there was nothing, or nothing that can be read.
    """

    folder: Path
    keep: Callable[[Contents], Awaitable[None]]


class Copies(Protocol):
    """Every call may raise DataUnreadable, DiskFull, BundocBusy, DeadlineExceeded, BackupFailed, and what BunKMS says
    of the project's key.
    """

    async def projects(self) -> list[str]:
        """Give all projects that have anything stored."""
        ...

    async def size(self, project: str) -> int:
        """Give about how many bytes a copy takes."""
        ...

    async def changed_at(self, project: str) -> int | None:
        """Give when the project's files were last written to, ns since 1970; None if there is nothing."""
        ...

    async def born_at(self, project: str) -> float:
        """Give when the project was first stored, seconds since 1970."""
        ...

    async def copy(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Copy the project as it is at one moment into an empty folder, while writes go on."""
        ...

    async def examine(self, project: str, folder: Path, progress: Progress) -> Contents:
        """Read all of a copy and give what it holds; `source_changed_at` is 0. Raises: BackupDamaged, BackupTooNew."""
        ...

    async def replace(self, project: str, source: str, folder: Path, safety: Safety, progress: Progress) -> Contents:
        """Put a copy of `source` in place of what the project has, under the project's own key, whole or not at all.

        Calls meanwhile are told ProjectRestoring. Numbers of changes go on behind all that were given out before.
        Raises: as `examine`.
        """
        ...


def disk_problem(error: OSError) -> Exception:
    """Give the Problem to raise for what a disk refused."""
    if error.errno in NO_ROOM:
        return DiskFull("There is no room for the backup: free some space, then try again.")
    return BackupFailed(f"The disk refused: {error.strerror or type(error).__name__}. The server's log says more.")
