"""Take over the data of an earlier PostgreSQL: wait for its processes, end them if necessary, and remove stale files.

Symptom: after kill -9, the next start fails with `lock file "postmaster.pid" already exists`. Cause: PostgreSQL refuses
to start while any process has the id in `postmaster.pid`. After kill -9, this process can be a zombie for which no
parent waits. This process can also be another program that got the same id, which is frequent in containers.

Decision: check in two ways whether a process still works on the data, and remove the files if there is none.

1. Every PostgreSQL that BunBase starts inherits the open and locked file `postgres.lock`, and so do its children. The
   kernel releases the lock when the last of these processes has closed its files; the files of a zombie are closed.
   This check works for any process id, namespace and user.
2. /proc shows the processes whose working directory is the data directory. This check also finds processes without the
   lock, such as those of an older BunBase, or of a PostgreSQL that a person started.

While a check finds a process, wait. The kernel signals a postmaster when its owner ends, and the children of a
postmaster soon notice its end. If these processes do not end in time, end them. For rejected alternatives see
docs/decisions/0038-it-always-comes-back.md.
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

# A postmaster must end within this time, after the kernel's signal and after a fast shutdown.
ORPHAN_SECONDS: Final = 5.0
# A postmaster must end within this time after an immediate shutdown. PostgreSQL kills its children after 5 s.
IMMEDIATE_SECONDS: Final = 10.0
CHILDREN_SECONDS: Final = 2.0  # Children without a postmaster have this time to end, before they are killed.
POLL_SECONDS: Final = 0.02
SOCKET_LINE: Final = 4  # The socket is in this line of postmaster.pid, counted from 0.


def take_over(place: Place) -> int:
    """Wait until no process works on the data. End the processes if necessary. Return the lock for a new PostgreSQL.

    The caller must hold the lock of the data directory. So a process that still works on the data has lost its owner.
    Raises: PostgresUnavailable if a process does not end.
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
    """Return the descriptor of the lock file. If root creates the file, the owner of the directory becomes its owner.

    The owner of an existing file is not changed, because the file could be a link to any other file.
    Raises: PostgresUnavailable.
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
            f"{path} cannot be opened ({error.strerror}): start BunBase as the same user as before"
        ) from error


def postmaster_of(data: Path, account: Account | None = None) -> int | None:
    """Return the id of the postmaster that runs on this data directory, or None if there is none.

    The id in `postmaster.pid` may belong to another program now.
    """
    # After a crash, the file may hold anything.
    pid = whole_number(_lines(data / "postmaster.pid")[0].strip(), MAX_PID)
    found = process(pid) if pid is not None else None
    return found.pid if found is not None and _works_on(found, (data,), account) else None


def working_on(place: Place) -> list[int]:
    """Return the ids of all PostgreSQL processes that work on this data, or that initialise it."""
    directories = (place.data, place.draft)
    return [found.pid for found in _processes() if _works_on(found, directories, place.account)]


def _outlive(place: Place, lock: int) -> None:
    """Wait for the processes, and then end them with more force at each step.

    The step of an immediate shutdown is necessary: if a child of PostgreSQL 18 has crashed, and PostgreSQL gets a fast
    shutdown during the recovery, it waits forever for its own checkpointer. The only cost is a recovery at the next
    start.
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
            # No data is lost, because commits are in the write-ahead log, and recovery undoes the rest.
            for pid in left:
                _send(pid, signal.SIGKILL)
            end, killed = time.monotonic() + IMMEDIATE_SECONDS, True
        time.sleep(POLL_SECONDS)


def _end_postmaster(place: Place, number: int | None, seconds: float) -> bool:
    """Send signal `number` to the postmaster unless it is None, and wait. Return True if the postmaster has ended."""
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
            f"another process holds {place.home / 'postgres.lock'}: probably an earlier PostgreSQL on {place.data}, "
            "perhaps in another container; end it"
        )
    named = ", ".join(map(str, left))
    return PostgresUnavailable(f"an earlier PostgreSQL (process {named}) on {place.data} does not end: end it")


def _forget(place: Place) -> None:
    """Remove stale files. With them, PostgreSQL could mistake another process or a zombie for a server on this data."""
    pid_file = place.data / "postmaster.pid"
    lines = _lines(pid_file)
    pid_file.unlink(missing_ok=True)
    (place.home / SOCKET / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    if len(lines) > SOCKET_LINE:
        _remove_socket(Path(lines[SOCKET_LINE]), place.account)


def _remove_socket(directory: Path, account: Account) -> None:
    """Remove the temporary directory of a socket.

    The directory was created because the path in the home was too long.
    """
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
    """True if a process is a PostgreSQL whose working directory is one of the directories.

    The path of its program is not compared, because after an upgrade the program's file may not exist any more.
    """
    if found.ended or found.name != "postgres":
        return False
    try:
        where = _working_directory(found.pid, account)
    except OSError:
        return False  # The process has ended, or belongs to another user.
    return any(_is_same(directory, where) for directory in directories)


def _working_directory(pid: int, account: Account | None) -> tuple[int, int]:
    try:
        status = os.stat(f"/proc/{pid}/cwd")
    except PermissionError:  # In a container, root may not inspect processes of other users, but their owner may.
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
