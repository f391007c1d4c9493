"""The text that a dry run of a migration shows to a person."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.cli.output import Output
from bunbase.cli.walking import show_rehearsal, touched
from bunbase.contracts.functions.walks import Difference, Rehearsal

BEFORE = {"_id": "i1", "_rev": 1, "name": "Ada L", "tags": {"a": 1}, "n": 1}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"patch": {"name": None, "first": "Ada"}}, {"name": "Ada L"}),
        ({"patch": {"$inc": {"n": 1}, "$set": {"tags.a": 2}, "$unset": {"gone": True}}}, {"n": 1, "tags": {"a": 1}}),
        ({"replace": {"n": 2}}, BEFORE),
        ({"delete": True}, BEFORE),
    ],
)
def test_a_dry_run_shows_the_fields_that_a_patch_names(change: dict[str, Any], shown: dict[str, Any]) -> None:
    assert touched(Difference("i1", BEFORE, change)) == shown


def test_a_dry_run_shows_json(capsys: pytest.CaptureFixture[str]) -> None:
    sample = (
        Difference("i1", BEFORE | {"done": True}, {"patch": {"done": None}}),
        Difference("i2", None, {"delete": True}),
    )

    show_rehearsal(Rehearsal("items", 2, 2, 1, 1, 0, 0, 0, sample, ()), Output(json=False))

    printed = capsys.readouterr().out
    assert '{"done": true}   {"patch": {"done": null}}' in printed
    assert "null             " in printed


def test_a_dry_run_without_changes_shows_no_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_rehearsal(Rehearsal("items", 2, 2, 0, 0, 2, 0, 0, (), ()), Output(json=False))

    assert "before" not in capsys.readouterr().out
