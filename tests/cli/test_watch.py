from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.cli.project_file import read_project_file
from bunbase.cli.saved_files import SavedFiles
from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi
from tests.cli.test_functions import HANDLER, write

DEADLINE_SECONDS = 30.0


class Watching:
    """A `bunbase watch --json` in a separate process."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "bunbase.cli", "watch", "--json", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: queue.Queue[str] = queue.Queue()
        self.warned: queue.Queue[str] = queue.Queue()
        self.threads = [
            threading.Thread(target=_read, args=(pipe, into))
            for pipe, into in ((self.process.stdout, self.said), (self.process.stderr, self.warned))
        ]
        for thread in self.threads:
            thread.start()

    def next(self) -> Any:
        """Return the next document."""
        return msgspec.json.decode(self.said.get(timeout=DEADLINE_SECONDS))

    def result(self) -> tuple[str, str, int | None]:
        document = self.next()
        return document["name"], document["outcome"], document.get("version")

    def warning(self, text: str) -> str:
        """Return the first warning that contains the text."""
        while text not in (line := self.warned.get(timeout=DEADLINE_SECONDS)):
            pass
        return line

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)
        for thread in self.threads:
            thread.join(DEADLINE_SECONDS)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


def _read(pipe: Any, into: queue.Queue[str]) -> None:
    for line in pipe:
        into.put(line)


@pytest.fixture
def watch() -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def watch(*words: str) -> Watching:
        started.append(Watching(*words))
        return started[-1]

    yield watch
    for one in started:
        one.stop()


def test_watch_deploys_saved_functions(in_project: FakeApi, home: Path, watch: Callable[..., Watching]) -> None:
    write(home / "functions/hello.ts", "import { text } from '../lib/text'; export default () => new Response(text);")
    write(home / "lib/text.ts", "export const text = 'one';")
    write(home / "functions/other.ts")
    watching = watch("--no-logs")
    assert [watching.result(), watching.result()] == [("hello", "deployed", 1), ("other", "deployed", 1)]

    write(home / "lib/text.ts", "export const text = 'another';")
    assert watching.result() == ("hello", "deployed", 2)
    write(home / "functions/new.ts")
    assert watching.result() == ("new", "deployed", 1)
    write(home / "bunbase.toml", "[functions.other]\ntimeout_ms = 500\n")
    assert watching.result() == ("other", "deployed", 2)
    (home / "functions/new.ts").unlink()
    write(home / "functions/hello.ts", HANDLER)
    assert watching.result() == ("hello", "deployed", 3)

    assert in_project.uploads["other"][-1].config == {"timeout_ms": 500}


def test_a_function_that_cannot_be_built_or_is_refused_keeps_its_active_version(
    in_project: FakeApi, home: Path, watch: Callable[..., Watching]
) -> None:
    write(home / "functions/hello.ts")
    watching = watch("--no-logs")
    assert watching.result() == ("hello", "deployed", 1)

    write(home / "functions/hello.ts", "export default (")
    broken = watching.next()
    write(home / "functions/hello.ts", HANDLER.replace("hi", "refuse me"))
    refused = watching.next()
    write(home / "functions/hello.ts", HANDLER.replace("hi", "works again"))

    assert (broken["outcome"], broken["version"], broken["problem"]["code"]) == ("failed", 1, "bundle_failed")
    assert (refused["outcome"], refused["version"], refused["problem"]["code"]) == ("failed", 1, "invalid_bundle")
    assert watching.result() == ("hello", "deployed", 2)


def test_watch_reports_a_mistake_in_bunbase_toml_and_continues_after_its_correction(
    in_project: FakeApi, home: Path, watch: Callable[..., Watching]
) -> None:
    write(home / "functions/hello.ts")
    write(home / "bunbase.toml", '[project]\nid = "prj_1"\n[functions.hello]\ntimeout = 1\n')
    watching = watch("--no-logs", "--project", "prj_1")
    watching.warning("there is no setting timeout")

    write(home / "bunbase.toml", '[project]\nid = "prj_1"\n[functions.hello]\ntimeout_ms = 1000\n')

    assert watching.result() == ("hello", "deployed", 1)


def test_watch_creates_a_project_if_none_is_chosen(
    signed_in: FakeApi, bunbase: Bunbase, home: Path, watch: Callable[..., Watching]
) -> None:
    write(home / "functions/hello.ts")
    write(home / "bunbase.toml", "")
    watching = watch("--no-logs")

    assert watching.result() == ("hello", "deployed", 1)
    assert [project.name for project in signed_in.projects.values()] == [home.name]
    assert read_project_file().project.id == "prj_1"
    assert bunbase("invoke", "hello").code == 0  # The key of the new project is stored.


def test_watch_reports_a_deleted_project_and_ends(
    signed_in: FakeApi, home: Path, watch: Callable[..., Watching]
) -> None:
    write(home / "functions/hello.ts")
    write(home / "bunbase.toml", '[project]\nid = "prj_gone"\n')

    watching = watch("--no-logs")

    assert "bunbase projects use" in watching.warning("no_project")
    assert watching.process.wait(DEADLINE_SECONDS) == 2


def test_the_watch_command_waits_for_a_sign_in_if_a_server_already_runs(
    api: FakeApi, bunbase: Bunbase, home: Path, watch: Callable[..., Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "functions/hello.ts")
    watching = watch("--no-logs", "--beside", str(os.getpid()))
    watching.warning("not signed in")

    monkeypatch.setenv("BUNBASE_PASSWORD", "correct horse")
    assert bunbase("register", "--email", "ada@example.com").code == 0

    assert watching.result() == ("hello", "deployed", 1)


def test_watch_ends_with_the_server_that_it_runs_beside(in_project: FakeApi, home: Path) -> None:
    write(home / "functions/hello.ts")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    done = subprocess.run(
        [sys.executable, "-m", "bunbase.cli", "watch", "--beside", str(gone.pid)],
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert done.returncode == 0
    assert not in_project.uploads


def test_watch_shows_the_output_of_functions(in_project: FakeApi, home: Path, watch: Callable[..., Watching]) -> None:
    write(home / "functions/hello.ts")
    in_project.say("before")
    watching = watch()
    assert watching.result() == ("hello", "deployed", 1)

    in_project.say("while watching")

    assert watching.next()["text"] == "while watching"


def test_functions_saved_while_the_server_is_unreachable_are_deployed_later(
    in_project: FakeApi, home: Path, watch: Callable[..., Watching]
) -> None:
    write(home / "functions/hello.ts")
    watching = watch("--no-logs")
    assert watching.result() == ("hello", "deployed", 1)

    in_project.away = True
    write(home / "functions/hello.ts", HANDLER.replace("hi", "meanwhile"))
    watching.warning("not now")
    write(home / "functions/other.ts")
    in_project.away = False

    assert [watching.result(), watching.result()] == [("hello", "deployed", 2), ("other", "deployed", 1)]


def test_changed_returns_written_new_and_removed_files(home: Path) -> None:
    write(home / "functions/a.ts", "a")
    write(home / "functions/b.ts", "b")
    write(home / "functions/node_modules/x.ts", "x")
    files = SavedFiles([Path("functions")], [Path("bunbase.toml")])
    assert files.changed() == set()

    write(home / "functions/a.ts", "longer")
    (home / "functions/b.ts").unlink()
    write(home / "functions/deep/c.ts", "c")
    write(home / "functions/node_modules/x.ts", "longer")
    write(home / "bunbase.toml", "")

    assert files.changed() == {
        home / "functions/a.ts",
        home / "functions/b.ts",
        home / "functions/deep/c.ts",
        home / "bunbase.toml",
    }
    assert files.changed() == set()


def test_a_watched_file_in_another_folder_is_reported_when_it_changes(home: Path) -> None:
    write(home / "lib/a.ts", "a")
    files = SavedFiles([Path("functions")], [])
    files.watch([Path("lib/a.ts"), Path("node_modules/x.ts")])
    assert files.changed() == set()

    write(home / "lib/a.ts", "longer")

    assert files.changed() == {home / "lib/a.ts"}


def test_files_in_linked_folders_are_watched_and_a_link_to_a_folder_above_is_no_circle(home: Path) -> None:
    write(home / "packages/hello/index.ts", "a")
    write(home / "functions/other.ts", "a")
    files = SavedFiles([Path("functions")], [])
    (home / "functions/hello").symlink_to("../packages/hello")
    (home / "functions/round").symlink_to("..")
    assert home / "functions/hello/index.ts" in files.changed()

    write(home / "packages/hello/index.ts", "longer")

    assert home / "functions/hello/index.ts" in files.changed()
