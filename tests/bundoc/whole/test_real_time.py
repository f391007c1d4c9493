"""The checker of histories accepts possible histories and refuses impossible ones."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.contracts.bundoc.documents import ChangeEntry
from tests.bundoc.whole.real_time import in_real_time

LOG = [
    ChangeEntry(1, "create", "things", "a", 1, ""),
    ChangeEntry(2, "create", "things", "b", 1, ""),
    ChangeEntry(3, "update", "things", "a", 2, ""),
    ChangeEntry(4, "update", "things", "b", 2, ""),
]
OWNERS = {1: "one", 2: "one", 3: "two", 4: "two"}


def call(name: str) -> dict[str, Any]:
    return {"call": name, "writes": [("a", "put", f"{name}.0"), ("b", "put", f"{name}.1")]}


def saw(name: str, **found: Any) -> dict[str, Any]:
    return {"saw": name, "found": found}


A1, A2, B1, B2 = (1, "one.0"), (2, "two.0"), (1, "one.1"), (2, "two.1")
ONE, TWO = [call("one"), {"ok": "one"}], [call("two"), {"ok": "two"}]
READ = {"read": "r"}


@pytest.mark.parametrize(
    "lines",
    [
        [READ, *ONE, *TWO, saw("r", a=None, b=None)],
        [READ, *ONE, *TWO, saw("r", a=A1, b=B1)],
        [*ONE, call("two"), READ, saw("r", a=A2, b=B2), {"ok": "two"}],
        [call("one"), call("two"), {"ok": "two"}, {"ok": "one"}],
    ],
)
def test_a_possible_history_passes_the_check(lines: list[dict[str, Any]]) -> None:
    in_real_time(lines, LOG, OWNERS)


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([*TWO, *ONE], "one came before"),
        ([*ONE, *TWO, READ, saw("r", a=A1)], "not there any more"),
        ([*ONE, READ, saw("r", a=None), *TWO], "not there any more"),
        ([*ONE, READ, *TWO, saw("r", a=A1, b=B2)], "never there at one moment"),
        ([*ONE, call("two"), READ, saw("r", a=A2), {"read": "s"}, saw("s", a=A1), {"ok": "two"}], "not there any more"),
        ([call("two"), READ, saw("r", a=A1), *ONE], "one"),
    ],
)
def test_an_impossible_history_fails_the_check(lines: list[dict[str, Any]], wrong: str) -> None:
    with pytest.raises((AssertionError, KeyError), match=wrong):
        in_real_time(lines, LOG, OWNERS)
