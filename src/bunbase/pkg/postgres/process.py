"""PostgreSQL's processes, which end with us."""

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

PR_SET_PDEATHSIG: Final = 1
POLL_SECONDS: Final = 0.01
FAST: Final = signal.SIGINT  # fast shutdown: end sessions, write a checkpoint, leave
IMMEDIATE: Final = signal.SIGQUIT


def spawn(
    arguments: list[str | Path], account: Account, directory: Path, output: IO[Any], lock: int
) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL that gets SIGINT when we die, however we die; it holds `lock` as long as it lives.

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
        pass_fds=(lock,),
        preexec_fn=die_with_us,  # safe, for there is no other thread yet
        **account.become,
    )


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition; tell whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _environment() -> dict[str, str]:
    """Keep nothing that could change what PostgreSQL does (PGDATA, PGOPTIONS, locale), only how it is loaded."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
