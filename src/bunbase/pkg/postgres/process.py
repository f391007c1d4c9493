"""Start PostgreSQL's programs. The programs end together with this process, even after kill -9.

Concern: after kill -9 of BunBase, none of its code runs any more, and PostgreSQL would continue alone. Decision: the
kernel sends PostgreSQL the signal to end (PR_SET_PDEATHSIG). The kernel does this when the *thread* that forked ends,
so only the main thread may start programs.

Concern: the handlers of Ctrl-C and SIGTERM raise an exception. In the middle of a fork, Python drops the exception, or
loses the process that was just started. Decision: these signals wait until the program runs. After that, the signals
end the program first.
"""

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
HELD: Final = (signal.SIGINT, signal.SIGTERM)
FAST: Final = signal.SIGINT  # This is a fast shutdown: PostgreSQL ends all sessions, writes a checkpoint and exits.
IMMEDIATE: Final = signal.SIGQUIT  # This is an immediate shutdown: PostgreSQL exits without a checkpoint.


def spawn(
    arguments: list[str | Path], account: Account, directory: Path, output: IO[Any], lock: int
) -> subprocess.Popen[bytes]:
    """Start a program of PostgreSQL.

    The program gets SIGINT when this process ends, and holds `lock` until the program ends.

    Call this from the main thread only.
    """
    prctl, ourselves = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def die_with_us() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, unheld)
        prctl(PR_SET_PDEATHSIG, FAST)  # A change of user clears this setting, and preexec_fn runs after that change.
        if os.getppid() != ourselves:
            os._exit(1)  # The parent ended before prctl was called.

    process = None
    unheld = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        process = subprocess.Popen(  # noqa: S603  find_binaries found these programs
            arguments,
            cwd=directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C then reaches only BunBase, which stops PostgreSQL after the rooms
            umask=0o077,
            pass_fds=(lock,),
            preexec_fn=die_with_us,  # this is safe, because there is no other thread yet
            **account.become,
        )
    finally:
        _release(unheld, process)
    return process


def _release(mask: set[int], process: subprocess.Popen[bytes] | None) -> None:
    """Let signals arrive again. If a signal has waited, its handler raises here.

    In this case, end the process, and raise the exception.
    """
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    except BaseException:
        if process is not None:
            process.kill()  # The process has just begun, so there is nothing to save.
            process.wait()
        raise


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition is true. Return False if the condition is still false after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _environment() -> dict[str, str]:
    """Return an environment without variables that affect PostgreSQL, such as PGDATA, PGOPTIONS and the locale."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
