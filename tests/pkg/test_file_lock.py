"""File locks of processes that were killed, are ending, or run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunbase.pkg import file_lock
from bunbase.pkg.file_lock import Held, hold_file, try_lock
from bunbase.pkg.processes import Process, is_ending, is_running, process
from bunbase.pkg.serve import listen
from tests.e2e.instance import poll

HOLDER = """
import socket, sys
from pathlib import Path
from bunbase.pkg.file_lock import hold_file
hold_file(Path(sys.argv[1]))
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        yield running
        running.kill()


def test_a_zombie_process_holds_neither_its_lock_nor_its_port(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """In a container without an init process, killed processes stay zombies."""
    assert holder.stdout is not None
    port = int(holder.stdout.readline())
    with pytest.raises(Held, match=str(holder.pid)):
        hold_file(tmp_path / "lock")

    os.kill(holder.pid, signal.SIGKILL)

    os.close(hold_file(tmp_path / "lock"))
    listen("127.0.0.1", port).close()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    found = poll(lambda: one if (one := process(holder.pid)) and one.ended else None)
    assert (found.state, is_running(holder.pid), is_ending(holder.pid)) == ("Z", False, True)


def test_taking_a_lock_waits_for_a_dying_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel frees the memory of a dying process before it closes its files."""
    monkeypatch.setattr(file_lock, "LIVING_SECONDS", -1.0)
    dying = hold_file(tmp_path / "lock")
    looks = iter(range(3))

    def looked(_pid: int) -> bool:
        if next(looks) == 2:
            os.close(dying)
        return True

    monkeypatch.setattr(file_lock, "is_ending", looked)

    os.close(hold_file(tmp_path / "lock"))

    assert next(looks, None) is None


def test_a_lock_of_a_living_process_is_refused_with_its_pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "LIVING_SECONDS", 0.0)
    ours = hold_file(tmp_path / "lock")

    with pytest.raises(Held, match=str(os.getpid())):
        hold_file(tmp_path / "lock")

    with open(tmp_path / "lock") as other:
        assert not try_lock(other.fileno())
        os.close(ours)
        assert try_lock(other.fileno())


@pytest.mark.parametrize(
    ("state", "flags", "pending", "ended", "ending"),
    [
        ("S", 0x400000, 0, False, False),
        ("D", 0x400000, 0x100, False, True),  # this process was killed, but still waits for a disk
        ("R", 0x400004, 0, False, True),  # this process was killed, and frees its memory
        ("Z", 0x40000C, 0, True, True),
        ("X", 0x40000C, 0, True, True),
    ],
)
def test_the_state_of_a_process_is_read_from_proc(
    tmp_path: Path, state: str, flags: int, pending: int, ended: bool, ending: bool
) -> None:
    behind = f"{state} 1 7 7 0 -1 {flags} {' '.join(['0'] * 12)} 4711 {' '.join(['0'] * 8)} {pending} 0 0"
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (a) (b) {behind}")

    found = process(7, tmp_path)

    assert found == Process(7, "a) (b", state, 4711, flags, pending)
    assert (found.ended, found.ending) == (ended, ending)
    assert process(8, tmp_path) is None
