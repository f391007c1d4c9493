"""The help of a command fills the lines of a terminal, wherever its docstring breaks them."""

from __future__ import annotations

import pytest

from bunbase.cli.help_texts import flowing
from tests.cli.conftest import Bunbase


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One sentence\nof two lines.\n\nAnother.", "One sentence of two lines.\n\nAnother."),
        ("It does this.\n--dry-run shows\nit.", "It does this.\n--dry-run shows it."),
        ("- one\n- two\n\n    code\nText.", "- one\n- two\n\n    code\nText."),
        ("", ""),
    ],
)
def test_a_paragraph_becomes_one_line(text: str, expected: str) -> None:
    assert flowing(text) == expected


def test_the_help_of_a_command_has_no_short_lines_amid_a_paragraph(
    bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    shown = bunbase("migrations", "run", "--help").out

    assert shown.startswith("Usage: bunbase migrations run")
    assert "again. After errors, correct the code or the documents, and run it again: only \n" in shown
    assert "\n--dry-run shows counts" in shown
    assert "--max-errors" in shown
