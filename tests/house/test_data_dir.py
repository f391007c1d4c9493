from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bunbase.house.data_dir import SERVICE_SECRET, DataDirectory, DataDirectoryTaken
from bunbase.pkg.errors import CannotStart

HOLDER = """
import sys
from pathlib import Path
from bunbase.house.data_dir import DataDirectory
DataDirectory(Path(sys.argv[1])).hold()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run another process that holds the directory."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_data_directory_is_private_to_its_owner(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "deep" / "data")

    directory.hold()

    assert stat.S_IMODE(directory.path.stat().st_mode) & 0o066 == 0
    directory.release()


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(DataDirectoryTaken, match=rf"process {holder.pid}\) runs on {tmp_path / 'data'}: stop it, or"):
        DataDirectory(tmp_path / "data").hold()


def test_the_data_directory_is_free_after_its_holder_is_killed(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    directory = DataDirectory(tmp_path / "data")

    directory.hold()

    assert (directory.path / "lock").read_text() == f"{os.getpid()}\n"
    directory.release()


def test_the_data_directory_is_free_after_its_release(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path / "data"), DataDirectory(tmp_path / "data")
    first.hold()
    with pytest.raises(DataDirectoryTaken):
        second.hold()

    first.release()
    first.release()

    second.hold()
    second.release()


def test_git_ignores_every_file_of_the_data_directory(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    directory = DataDirectory(tmp_path / ".bunbase")
    directory.hold()
    directory.service_secret()

    status = ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b""
    directory.release()


def test_an_existing_directory_keeps_its_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")

    directory = DataDirectory(tmp_path)
    directory.hold()

    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    directory.release()


def test_a_path_that_cannot_hold_the_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match=r"file/data cannot be used: Not a directory"):
        DataDirectory(tmp_path / "file" / "data").hold()


def test_the_service_secret_is_made_once_and_private_to_its_owner(tmp_path: Path) -> None:
    first, again = DataDirectory(tmp_path).service_secret(), DataDirectory(tmp_path).service_secret()

    assert first == again
    assert len(first) >= 43
    assert stat.S_IMODE((tmp_path / SERVICE_SECRET).stat().st_mode) == 0o600
