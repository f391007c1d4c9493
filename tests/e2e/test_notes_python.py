"""A person follows examples/notes-python/README.md on a running `bunbase dev`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bunbase_sdk import Client
from bunbase_sdk.core.credentials import account_in
from tests.e2e.instance import STOP_SECONDS, Instance, free_port, poll

REPOSITORY: Final = Path(__file__).parents[2]
NOTES: Final = REPOSITORY / "examples/notes-python"
BLOCKS: Final = re.compile(r"^```sh (server|worker|sender)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL: Final = ["bash", "-euo", "pipefail", "-c"]


class Clone:
    """A clone of the repository, of which only the example is a copy. `commands`: those of the README."""

    def __init__(self, server: Instance) -> None:
        self.folder = server.home / "clone"
        self.example = self.folder / "examples/notes-python"
        shutil.copytree(NOTES, self.example, ignore=shutil.ignore_patterns("account.json", "*.secret", "__pycache__"))
        (self.folder / ".venv").symlink_to(REPOSITORY / ".venv")
        self.environment = server.environment() | {"PORT": str(free_port()), "BUNBASE_URL": server.url}
        blocks = dict(BLOCKS.findall((NOTES / "README.md").read_text("utf-8")))
        self.commands = [line for block in blocks.values() for line in block.splitlines()]
        self.enter = self.commands[1].rpartition(" && ")[0]

    def run(self, *commands: str) -> str:
        done = subprocess.run(
            [*SHELL, "\n".join(commands)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run the worker, and end it as a service manager would."""
        command = f"{self.enter}; exec {self.commands[3]}"
        with subprocess.Popen(
            [*SHELL, command], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            try:
                assert running.stdout.readline().startswith("Webhooks: "), "the worker ended"
                yield
            finally:
                running.send_signal(signal.SIGTERM)
                assert running.wait(STOP_SECONDS) == 0


@pytest.fixture(scope="module")
def clone(running_dev: Instance) -> Clone:
    return Clone(running_dev)


def test_a_worker_counts_the_words_of_all_notes_also_of_those_written_while_it_was_away(clone: Clone) -> None:
    assert len(clone.commands) == 5
    clone.run(*clone.commands[1:3])
    found = account_in(clone.example / "account.json")

    with Client(found.url, found.key) as client:
        summaries = client.data.collection("summaries")
        with clone.worker():
            clone.run(clone.commands[4])
            assert poll(lambda: [one["words"] for one in summaries.all()]) == [4]
        client.data.collection("notes").put("late", {"text": "one two"})
        with clone.worker():
            assert poll(lambda: summaries.find("late"))["words"] == 2
        assert summaries.count() == 2
    assert os.stat(clone.example / "account.json").st_mode & 0o077 == 0
