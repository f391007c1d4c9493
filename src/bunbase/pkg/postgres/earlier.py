"""An earlier PostgreSQL may leave processes that still work on our data, and files that name dead ones.

PostgreSQL itself refuses to start while any process has the id that stands in `postmaster.pid`. After kill -9 that is a
zombie nobody reaps, or, in a container above all, a stranger that got the number. So we find out ourselves, and take
the files away once nothing works on the data any more:

1. Every PostgreSQL that we start inherits `postgres.lock`, locked, and so do its children. The kernel lets go of the
   lock when the last of them has closed its files, a zombie too: whatever its id, its namespace or its user.
2. /proc shows the processes that have the data directory as their working directory, also those without the lock: of
   an older BunBase, or started by hand.

Both must be free of life. Until then we wait: for a postmaster, which the kernel told to end with its owner; for
children whose postmaster was killed, which notice when they next wait for something. After that we end them.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bunbase.pkg.file_lock import try_lock
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.postgres.account import Account
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.place import SOCKET, TEMPORARY, Place
from bunbase.pkg.postgres.process import FAST, IMMEDIATE
from bunbase.pkg.processes import MAX_PID, Process, process

ORPHAN_SECONDS: Final = 5.0  # for a postmaster that was told to end, by the kernel, then by us
IMMEDIATE_SECONDS: Final = 10.0  # PostgreSQL kills its children itself after five
CHILDREN_SECONDS: Final = 2.0  # for children without a postmaster, before they are killed
POLL_SECONDS: Final = 0.02
SOCKET_LINE: Final = 4  # of postmaster.pid, from 0


def take_over(place: Place) -> int:
    """Wait until nothing works on the data, ending what does not end by itself; give the lock for the next PostgreSQL.

    The caller holds the data directory, so whatever works there is what an earlier owner left.
    Raises: PostgresUnavailable when something does not end.
    """
    lock = _opened(place.home / "postgres.lock")
    try:
        _outlive(place, lock)
        _forget(place)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _opened(path: Path) -> int:
    """Open the lock's file. One that root makes belongs to the directory's owner, who may start the next time.

    Only a new one changes hands: what else has this name may be a link to any file. Raises: PostgresUnavailable.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            lock = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, flags)
        if os.geteuid() == 0:
            home = path.parent.stat()
            os.fchown(lock, home.st_uid, home.st_gid)
        return lock
    except OSError as error:
        raise PostgresUnavailable(
            f"{path} cannot be opened ({error.strerror}): start BunBase as the user who did so before"
        ) from error


def postmaster_of(data: Path, account: Account | None = None) -> int | None:
    """Return the process that serves this data directory, if one does: its pid may long be another program's."""
    pid = whole_number(_lines(data / "postmaster.pid")[0].strip(), MAX_PID)  # a crash may leave anything in there
    found = process(pid) if pid is not None else None
    return found.pid if found is not None and _works_on(found, (data,), account) else None


def working_on(place: Place) -> list[int]:
    """Return all processes of PostgreSQL that run in our data, or set them up."""
    directories = (place.data, place.draft)
    return [found.pid for found in _processes() if _works_on(found, directories, place.account)]


def _outlive(place: Place, lock: int) -> None:
    """First we only wait, then each step ends more of what is left.

    An immediate end costs a recovery and nothing else. It is needed: PostgreSQL 18 that is told to end fast while it
    recovers, because a child of it was killed a moment before, waits for ever for its own checkpointer.
    """
    for number, seconds in ((None, ORPHAN_SECONDS), (FAST, ORPHAN_SECONDS), (IMMEDIATE, IMMEDIATE_SECONDS)):
        if _end_postmaster(place, number, seconds):
            break
    end, killed = time.monotonic() + CHILDREN_SECONDS, False
    while not _is_free(place, lock):
        if time.monotonic() > end:
            left = working_on(place)
            if killed or postmaster_of(place.data, place.account) is not None:
                raise _left(place, left)
            for pid in left:  # what they had not committed is undone by recovery, what they had is in the log
                _send(pid, signal.SIGKILL)
            end, killed = time.monotonic() + IMMEDIATE_SECONDS, True
        time.sleep(POLL_SECONDS)


def _end_postmaster(place: Place, number: int | None, seconds: float) -> bool:
    """True once there is no postmaster."""
    end = time.monotonic() + seconds
    pid = postmaster_of(place.data, place.account)
    if pid is not None and number is not None:
        _send(pid, number)
    while pid is not None and postmaster_of(place.data, place.account) == pid:
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_free(place: Place, lock: int) -> bool:
    return try_lock(lock) and not working_on(place)


def _left(place: Place, left: list[int]) -> PostgresUnavailable:
    if not left:
        return PostgresUnavailable(
            f"something holds {place.home / 'postgres.lock'}: an earlier PostgreSQL on {place.data}, perhaps in "
            "another container; end it"
        )
    named = ", ".join(map(str, left))
    return PostgresUnavailable(f"an earlier PostgreSQL (process {named}) runs on {place.data} and does not end: end it")


def _forget(place: Place) -> None:
    """Remove the files by which PostgreSQL would take another process, or a zombie, for a server on these data."""
    pid_file = place.data / "postmaster.pid"
    lines = _lines(pid_file)
    pid_file.unlink(missing_ok=True)
    (place.home / SOCKET / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    if len(lines) > SOCKET_LINE:
        _remove_socket(Path(lines[SOCKET_LINE]), place.account)


def _remove_socket(directory: Path, account: Account) -> None:
    """Remove a directory that was made for one life of a server, because our own path was too long for a socket."""
    if directory.parent == TEMPORARY[0] and directory.name.startswith(TEMPORARY[1]):
        try:
            own = directory.lstat().st_uid == account.uid
        except OSError:
            return
        if own:
            shutil.rmtree(directory, ignore_errors=True)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _processes() -> Iterator[Process]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := process(int(name))) is not None:
            yield found


def _works_on(found: Process, directories: tuple[Path, ...], account: Account | None) -> bool:
    """Of an upgraded PostgreSQL the program may be gone; its name and its working directory stay."""
    if found.ended or found.name != "postgres":
        return False
    try:
        where = _working_directory(found.pid, account)
    except OSError:
        return False  # it has ended; or it is another user's, and then not ours
    return any(_is_same(directory, where) for directory in directories)


def _working_directory(pid: int, account: Account | None) -> tuple[int, int]:
    try:
        status = os.stat(f"/proc/{pid}/cwd")
    except PermissionError:  # root in a container may not look at processes of others, but their user may
        if account is None or not account.drops_root:
            raise
        with account.acting():
            status = os.stat(f"/proc/{pid}/cwd")
    return status.st_dev, status.st_ino


def _is_same(directory: Path, where: tuple[int, int]) -> bool:
    try:
        status = directory.stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == where


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return [""]
