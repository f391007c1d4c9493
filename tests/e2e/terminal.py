"""A person at a terminal: run the command `bunbase` in a pseudo-terminal, read its questions and type answers."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.instance import BUNBASE

PATIENCE_SECONDS: Final = 60.0
COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Machine:
    """A computer of a person: a home directory with the credentials of the command. `url`: the URL of the server."""

    def __init__(self, home: Path, url: str) -> None:
        home.mkdir()
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "BUNBASE_URL": url,
            "TERM": "xterm",
            "COLUMNS": "200",
        }

    def run(self, *words: str) -> Terminal:
        """Start `bunbase` with these words in a terminal, without waiting for its end."""
        return Terminal(words, self.home, self.environment)

    def says(self, *words: str, typed: Sequence[tuple[str, str]] = (), code: int = 0) -> str:
        """Run `bunbase`, and answer its questions. `typed`: a part of each question, and the line to type.

        Return everything that the command printed. Raises: AssertionError if the exit code is different.
        """
        with self.run(*words) as terminal:
            for question, answer in typed:
                terminal.read_until(re.escape(question))
                terminal.type(answer)
            return terminal.read_to_the_end(code)

    def code_of(self, *words: str) -> int:
        """Run `bunbase`, and return its exit code."""
        with self.run(*words) as terminal:
            return terminal.process.wait(PATIENCE_SECONDS)


class Terminal:
    def __init__(self, words: Sequence[str], home: Path, environment: dict[str, str]) -> None:
        self.words = words
        self.leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            [BUNBASE, *words],
            cwd=home,
            env=environment,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        self.said = ""
        self.read_up_to = 0
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.leader)

    def read_until(self, pattern: str) -> re.Match[str]:
        """Wait for a text after the part that was already read, and return its match."""
        while not (found := re.compile(pattern).search(self.said, self.read_up_to)):
            assert self._read(), f"bunbase {self.words} ended without {pattern!r}:\n{self.said}"
        self.read_up_to = found.end()
        return found

    def type(self, line: str) -> None:
        os.write(self.leader, line.encode() + b"\n")

    def read_to_the_end(self, code: int = 0) -> str:
        while self._read():
            pass
        ended = self.process.wait(PATIENCE_SECONDS)
        assert ended == code, f"bunbase {self.words}: {ended}\n{self.said}"
        return self.said

    def _read(self) -> bool:
        """Read the next part of the output. Return False at the end."""
        ready, _, _ = select.select([self.leader], [], [], max(0.0, self.deadline - time.monotonic()))
        assert ready, f"bunbase {self.words} waits:\n{self.said}"
        try:
            part = os.read(self.leader, 65536)
        except OSError:  # EIO means that the command has closed the terminal.
            return False
        self.said += COLOURS.sub("", part.decode(errors="replace")).replace("\r\n", "\n")
        return bool(part)
