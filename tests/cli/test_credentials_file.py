"""The credentials file and bunbase.toml with symbolic links, mounts and other commands running at the same time."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from bunbase.cli import credentials
from bunbase.cli.credentials import credentials_file
from bunbase.cli.errors import Failure
from bunbase.cli.replaced_files import replace_file
from bunbase.pkg.secret_files import replace_secret_file

MEMORY = Path("/dev/shm")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Return a folder on another file system."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every rename fail, as if each file was a separate mount."""

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr("os.replace", busy)
    monkeypatch.setattr("pathlib.Path.replace", busy)


def remember(email: str) -> None:
    with credentials_file().changing() as known:
        known.server("http://a").email = email


def stored() -> str:
    return credentials_file().read().server("http://a").email


@pytest.mark.usefixtures("mounted")
def test_a_secret_file_that_is_mounted_by_itself_can_be_read_by_its_owner_alone(home: Path) -> None:
    file = home / ".env"
    file.write_text("OLD=1")
    file.chmod(0o644)

    replace_file(file, "SECRET=1", 0o600)

    assert (file.read_text(), file.stat().st_mode & 0o777) == ("SECRET=1", 0o600)


@pytest.mark.skipif(not MEMORY.is_dir(), reason="needs a second file system")
def test_a_link_to_another_file_system_stays_and_its_file_is_replaced(home: Path, elsewhere: Path) -> None:
    (elsewhere / "real.toml").write_text("before")
    (home / "bunbase.toml").symlink_to(elsewhere / "real.toml")

    replace_file(home / "bunbase.toml", "after")

    assert (home / "bunbase.toml").is_symlink()
    assert [(one.name, one.read_text()) for one in elsewhere.iterdir()] == [("real.toml", "after")]
    assert [one.name for one in home.iterdir()] == ["bunbase.toml"]


def test_the_credentials_file_may_be_a_link(home: Path) -> None:
    remember("ada@example.com")
    path = credentials_file().path
    path.rename(home / "kept.json")
    path.symlink_to(home / "kept.json")

    remember("eve@example.com")

    assert (path.is_symlink(), stored()) == (True, "eve@example.com")
    assert (home / "kept.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_mounted_by_itself_is_written_in_place(home: Path, request: pytest.FixtureRequest) -> None:
    remember("ada@example.com")
    (home / "bunbase.toml").write_text("a longer text before")
    request.getfixturevalue("mounted")

    remember("eve@example.com")
    replace_file(home / "bunbase.toml", "after")

    assert stored() == "eve@example.com"
    assert (home / "bunbase.toml").read_text() == "after"
    assert [one.name for one in home.iterdir()] == ["bunbase.toml"]
    assert {one.name for one in credentials_file().path.parent.iterdir()} == {
        "credentials.json",
        "credentials.json.lock",
    }


@pytest.mark.usefixtures("mounted")
def test_a_secret_that_could_not_be_stored_is_not_left_in_a_draft(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="busy"):
        replace_secret_file(tmp_path / "secret", "secret")

    assert not list(tmp_path.glob(".secret*"))


def test_a_command_that_never_releases_the_file_is_waited_for_with_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LOCK_SECONDS", 0.0)
    remember("ada@example.com")

    with FileLock(f"{credentials_file().path}.lock"), pytest.raises(Failure) as busy:
        remember("eve@example.com")

    assert (busy.value.code, stored()) == ("credentials_busy", "ada@example.com")
