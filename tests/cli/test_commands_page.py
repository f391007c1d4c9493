"""The help of every command: each has an example, which parses, and docs/reference/commands.md has them all."""

from __future__ import annotations

import re
import shlex

import pytest
from cyclopts import App

from bunbase.cli.commands_page import PAGE, leaves
from bunbase.cli.main import command
from tests.cli.conftest import Bunbase

TERMINAL_WIDTH = 80
EXAMPLE = re.compile(r"^ *(Example: bunbase (.+))$", re.MULTILINE)


@pytest.fixture(scope="module")
def commands() -> dict[str, App]:
    return dict(leaves())


def test_every_command_has_an_example_that_parses_and_fits_into_a_terminal(commands: dict[str, App]) -> None:
    wrong: dict[str, str] = {}
    whole = command()
    for words, app in commands.items():
        examples = EXAMPLE.findall(app.help or "")
        if not examples:
            wrong[words] = "add a last line to the docstring: Example: bunbase …"
        for line, typed in examples:
            if len(line) > TERMINAL_WIDTH:
                wrong[words] = f"{len(line)} characters are too many for a terminal"
            found, bound, _ = whole.parse_args(shlex.split(typed), exit_on_error=False, print_error=False)
            if found is not app.default_command or not typed.startswith(words):
                wrong[words] = f"{typed} runs {bound}"

    assert len(commands) > 100
    assert wrong == {}


@pytest.mark.parametrize("words", ["data query", "logs", "users import"])
def test_help_shows_the_example_on_a_line_of_its_own(bunbase: Bunbase, words: str, commands: dict[str, App]) -> None:
    said = bunbase(*words.split(), "--help")

    ((line, _),) = EXAMPLE.findall(commands[words].help or "")
    assert said.code == 0
    assert line in [one.strip() for one in said.out.splitlines()]


def test_the_page_has_every_command_once_with_its_example(commands: dict[str, App]) -> None:
    """`make check` compares the page with the code."""
    sections = re.split(r"^###+ bunbase ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    described = [section.partition("\n")[0] for section in sections if "\nExample: `bunbase " in section]

    assert sorted(described) == sorted(commands)
