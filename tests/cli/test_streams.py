"""The command works with every encoding of its output."""

from __future__ import annotations

import os
import subprocess

import msgspec
import pytest

from tests.cli.conftest import EXECUTABLE, Bunbase
from tests.cli.server import FakeApi

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
    help, _, _ = printed(environment, "deploy", "--help")
    refused, _, why = printed(environment, "invoke", "–", "--header", "…")

    assert (code, tables, help, refused) == (0, 0, 0, 2), err
    assert b"-> + ?? ?" in logs
    assert b"Traceback" not in why


@pytest.mark.parametrize("environment", NARROW)
def test_json_loses_nothing_whatever_the_encoding_of_the_output(
    in_project: FakeApi, environment: dict[str, str]
) -> None:
    in_project.say("→ 日本 🙂")

    _, document, _ = printed(environment, "logs", "hello", "--json")

    assert msgspec.json.decode(document)["items"][0]["text"] == "→ 日本 🙂"


def test_a_word_that_is_not_utf_8_is_a_usage_error(in_project: FakeApi, bunbase: Bunbase) -> None:
    said = bunbase("projects", "create", "caf\udce9")

    assert said.code == 2
    assert "not valid UTF-8" in said.err
