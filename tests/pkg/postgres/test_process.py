from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bunbase.pkg.postgres.account import Account
from bunbase.pkg.postgres.process import spawn

OURSELVES = Account("ourselves", os.geteuid(), os.getegid(), "ourselves")


class Stopped(BaseException): ...


def test_a_signal_in_the_middle_of_a_start_is_not_lost_and_ends_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def signalled_popen(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **kwargs))
        # The signal goes to this thread, because other threads, which earlier tests have started, hold no signals.
        signal.raise_signal(signal.SIGTERM)
        return started[0]

    def stop(number: int, frame: object) -> None:
        raise Stopped

    monkeypatch.setattr(subprocess, "Popen", signalled_popen)
    before = signal.signal(signal.SIGTERM, stop)
    read, lock = os.pipe()
    try:
        with open(os.devnull, "w") as output, pytest.raises(Stopped):
            spawn(["/bin/sleep", "60"], OURSELVES, Path("/"), output, lock)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(read)
        os.close(lock)

    assert started[0].returncode is not None
    assert signal.SIGTERM not in mask


def test_a_program_that_was_started_receives_signals() -> None:
    read, lock = os.pipe()
    try:
        with open(os.devnull, "w") as output:
            process = spawn(["/bin/sh", "-c", "kill -TERM $$; sleep 60"], OURSELVES, Path("/"), output, lock)
        ended = process.wait(30)
    finally:
        os.close(read)
        os.close(lock)

    assert ended == -signal.SIGTERM
