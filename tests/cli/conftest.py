"""Run every test in an empty home directory without credentials, project and BUNBASE variables."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.credentials import Credentials, credentials_file
from bunbase.cli.main import run
from tests.cli.fake_api import EMAIL, PASSWORD, FakeApi
from tests.cli.server import FakeServer, running

EXECUTABLE = Path(sys.executable).with_name("bunbase")


@dataclass(frozen=True)
class Said:
    """The result of a command, with its exit code and its output."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the one JSON document on stdout."""
        assert self.code == 0, self.err
        return msgspec.json.decode(self.out)

    @property
    def problem(self) -> Any:
        """Return the JSON document on stderr."""
        return msgspec.json.decode(self.err)


Bunbase = Callable[..., Said]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("BUNBASE_") and name != "BUNBASE_BUN"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture(scope="session")
def server() -> Iterator[FakeServer]:
    with running() as server:
        yield server


@pytest.fixture
def api(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Return the state of a server without accounts and projects."""
    server.api = FakeApi(server.api.url)
    monkeypatch.setenv("BUNBASE_URL", server.api.url)
    return server.api


@pytest.fixture
def bunbase(capsys: pytest.CaptureFixture[str]) -> Bunbase:
    """Return a function that runs a command in this process."""

    def bunbase(*words: str) -> Said:
        capsys.readouterr()
        code = run(words)
        return Said(code, *capsys.readouterr())

    return bunbase


@pytest.fixture
def signed_in(api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    with monkeypatch.context() as patch:
        patch.setenv("BUNBASE_PASSWORD", PASSWORD)
        assert bunbase("login", "--email", EMAIL).code == 0
    return api


@pytest.fixture
def in_project(signed_in: FakeApi, bunbase: Bunbase) -> FakeApi:
    assert bunbase("projects", "create", "Guestbook").code == 0
    return signed_in


def executable(*words: str, input: str = "") -> Said:
    """Run the real `bunbase` in a separate process."""
    done = subprocess.run([EXECUTABLE, *words], input=input, capture_output=True, text=True, timeout=60, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def in_terminal(*words: str, columns: int = 80, **environment: str) -> str:
    """Run the real `bunbase` in a pseudo-terminal of this width; return everything that it printed."""
    leader, follower = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **environment}
    with subprocess.Popen([EXECUTABLE, *words], stdin=follower, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        said = b"".join(iter(lambda: _read(leader), b""))
    os.close(leader)
    assert process.returncode == 0, said
    return said.decode().replace("\r\n", "\n")


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # EIO means that the process has closed the terminal.
        return b""


def kept() -> Credentials:
    """Return the content of the credentials file."""
    return credentials_file().read()
