"""PostgreSQL's processes: ended with us, and recognised when an earlier one is still there."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from bunbase.pkg.postgres.account import Account
from bunbase.pkg.postgres.errors import PostgresUnavailable

PR_SET_PDEATHSIG: Final = 1
ORPHAN_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01
FAST: Final = signal.SIGINT  # fast shutdown: end sessions, write a checkpoint, leave
IMMEDIATE: Final = signal.SIGQUIT


def spawn(arguments: list[str | Path], account: Account, directory: Path, output: IO[Any]) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL that gets SIGINT when we die, however we die.

    The kernel ties that to the thread that forks, so this is called from the main thread.
    """
    prctl, ourselves = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def die_with_us() -> None:
        prctl(PR_SET_PDEATHSIG, FAST)  # a change of user clears it; this runs after that change
        if os.getppid() != ourselves:
            os._exit(1)  # we died in between

    return subprocess.Popen(  # noqa: S603  programs that we found ourselves
        arguments,
        cwd=directory,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C at the terminal is for us; we then end PostgreSQL in its turn
        umask=0o077,
        preexec_fn=die_with_us,  # safe, for there is no other thread yet
        **account.become,
    )


def wait_out_orphan(data: Path) -> None:
    """Wait until a PostgreSQL that an earlier process of ours left on this data has shut down; then ask it to.

    The caller holds the lock of the data directory, so nobody else can be using it.
    Raises: PostgresUnavailable when it does not end.
    """
    pid = postmaster_of(data)
    if pid is None or _gone(data, pid, ORPHAN_SECONDS):
        return
    os.kill(pid, FAST)
    if not _gone(data, pid, ORPHAN_SECONDS):
        raise PostgresUnavailable(f"an earlier PostgreSQL (process {pid}) runs on {data} and does not end: end it")


def postmaster_of(data: Path) -> int | None:
    """Give the process that serves this data directory, if one does: its pid may long be another program's."""
    pid = _first_line(data / "postmaster.pid")
    if not pid.isdigit():
        return None
    process = Path("/proc", pid)
    try:
        directory, program = os.readlink(process / "cwd"), os.readlink(process / "exe")
    except OSError:
        return None  # ended; or another user's, and then not ours
    is_postgres = Path(program.removesuffix(" (deleted)")).name == "postgres"  # deleted: upgraded under its feet
    return int(pid) if is_postgres and Path(directory) == data else None


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _gone(data: Path, pid: int, seconds: float) -> bool:
    return until(lambda: postmaster_of(data) != pid, seconds)


def _first_line(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _environment() -> dict[str, str]:
    """Keep nothing that could change what PostgreSQL does (PGDATA, PGOPTIONS, locale), only how it is loaded."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
