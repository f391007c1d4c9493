"""The command works with every encoding of its output."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from tests.cli.conftest import EXECUTABLE, Bunbase
from tests.cli.fake_api import FakeApi

NARROW = [
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


def printed(environment: dict[str, str], *words: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [EXECUTABLE, *words], env={**os.environ, **environment}, capture_output=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("environment", NARROW)
def test_every_text_is_printed_whatever_the_encoding_of_the_output(
    in_project: FakeApi, environment: dict[str, str]
) -> None:
    in_project.say("→ ✓ 日本 🙂")
    in_project.variables["GREETING"] = ""

    code, logs, err = printed(environment, "logs", "hello")
    tables, _, _ = printed(environment, "env", "list", "--reveal")

    assert (code, tables) == (0, 0), err
    assert b"-> + ?? ?" in logs


@pytest.mark.parametrize("environment", NARROW)
def test_json_loses_nothing_whatever_the_encoding_of_the_output(
    in_project: FakeApi, environment: dict[str, str]
) -> None:
    in_project.say("→ 日本 🙂")

    _, document, _ = printed(environment, "logs", "hello", "--json")

    assert msgspec.json.decode(document)["items"][0]["text"] == "→ 日本 🙂"


@pytest.mark.parametrize("environment", NARROW)
def test_a_secret_on_stdin_is_read_as_utf_8_whatever_the_encoding(
    in_project: FakeApi, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [EXECUTABLE, "env", "set", "TOKEN"], env={**os.environ, **environment}, input="é→\n".encode(), check=False
    )

    assert done.returncode == 0
    assert in_project.variables == {"TOKEN": "é→"}


@pytest.mark.parametrize("words", [("projects", "create"), ("invoke",), ("frobnicate",), ("whoami", "--token")])
def test_a_word_that_is_not_utf_8_is_a_usage_error(in_project: FakeApi, bunbase: Bunbase, words: tuple[str]) -> None:
    said = bunbase(*words, "caf\udce9", "--json")

    assert (said.code, said.problem["code"]) == (2, "usage")
    assert "not valid UTF-8" in said.err


def test_a_variable_of_the_environment_that_is_not_utf_8_is_a_usage_error(
    in_project: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_PROJECT", "caf\udce9")

    assert bunbase("keys", "list").code == 2


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        ("version", ">&-", 0),
        ("version --json", ">&- 2>&-", 0),
        ("functions list", "<&- >&- 2>&-", 0),
        ("login", "<&-", 2),
        ("frobnicate", "2>&-", 2),
    ],
)
def test_a_closed_stream_does_not_change_how_a_command_ends(
    in_project: FakeApi, words: str, closed: str, code: int
) -> None:
    done = subprocess.run(f"{EXECUTABLE} {words} {closed}", shell=True, capture_output=True, timeout=60, check=False)

    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)


@pytest.mark.parametrize("words", [("version",), ("version", "--json"), ("--help",), ("functions", "list")])
def test_a_full_disk_below_the_output_is_said_in_one_line(in_project: FakeApi, words: tuple[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([EXECUTABLE, *words], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)

    assert done.returncode == 1
    assert b"The output cannot be written: No space left on device." in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("module", ["cyclopts", "rich.console", "bunbase.cli.version"])
def test_a_signal_while_the_command_is_loading_ends_it_without_a_traceback(module: str, name: str, code: int) -> None:
    script = f"""if True:
        import os, signal, sys
        from bunbase.cli.main import main
        class Stopped:
            def find_spec(self, name, *_):
                if name == {module!r}: signal.raise_signal(signal.{name})
        sys.meta_path.insert(0, Stopped())
        os.getpid = lambda: 1  # as in a container: the kernel ignores SIGTERM there unless it is handled
        sys.argv = ["bunbase", "version"]
        main()
    """

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr.strip(), done.stdout) == (code, "", "")
