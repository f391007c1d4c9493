"""`bunbase data watch` turns the messages of a live query into changes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from bunbase.cli.errors import Refused, Unreachable
from bunbase.cli.live_results import Changed, LiveDocuments, Message


def taken(live: LiveDocuments, *messages: Mapping[str, object]) -> Changed | None:
    """Return the changes that the last message causes."""
    found = [live.take(msgspec.json.decode(msgspec.json.encode(one), type=Message)) for one in messages]
    return found[-1]


def texts(changed: Changed | None) -> tuple[list[str], list[str], list[str], int | None]:
    assert changed is not None
    added, altered, removed = (
        [msgspec.json.decode(one)["_id"] for one in part] for part in (changed.added, changed.changed, changed.removed)
    )
    return added, altered, removed, changed.count


def doc(id: str, rev: int = 1) -> dict[str, object]:
    return {"_id": id, "_rev": rev}


AT: dict[str, object] = {"t": "at", "at": "e.1"}


def test_changes_are_told_at_barriers() -> None:
    live = LiveDocuments()
    first = {"t": "now", "id": 1, "g": "k", "turn": 3, "at": "e.1", "docs": [doc("a"), doc("b")], "n": 2}
    assert texts(taken(live, {"t": "hello", "conn": "c"}, first, AT)) == (["a", "b"], [], [], 2)
    change = {"t": "diff", "g": "k", "turn": 4, "gone": ["a"], "put": [[0, doc("c")], [1, doc("b", 2)]]}
    assert taken(live, change) is None
    assert texts(taken(live, AT)) == (["c"], ["b"], ["a"], 2)
    assert taken(live, change, {"t": "ping", "at": "e.2"}, AT) is None  # The change is a repetition.
    assert texts(taken(live, {"t": "diff", "g": "k", "turn": 5, "n": 9}, AT)) == ([], [], [], 9)


def test_an_empty_result_is_told_once() -> None:
    live = LiveDocuments()
    empty = {"t": "now", "id": 1, "g": "k", "turn": 0, "docs": []}
    assert texts(taken(live, empty, AT)) == ([], [], [], None)
    assert taken(live, empty, AT) is None


def test_a_new_connection_tells_only_what_differs() -> None:
    live = LiveDocuments()
    taken(live, {"t": "now", "g": "k", "turn": 8, "docs": [doc("a"), doc("b")]}, AT)
    again = {"t": "now", "g": "k", "turn": 0, "docs": [doc("b"), doc("a", 5), doc("d")]}
    assert texts(taken(live, again, AT)) == (["d"], ["a"], [], None)


def test_a_lost_message_a_refusal_and_the_end() -> None:
    live = LiveDocuments()
    taken(live, {"t": "now", "g": "k", "turn": 1, "docs": []}, AT)
    with pytest.raises(Unreachable):
        taken(live, {"t": "diff", "g": "k", "turn": 3, "gone": ["a"]})
    with pytest.raises(Unreachable):
        taken(live, {"t": "bye", "code": "restart", "after_ms": 10})
    with pytest.raises(Refused) as caught:
        taken(live, {"t": "end", "id": 1, "problem": {"code": "rule_denied", "status": 403, "detail": "No."}})
    assert caught.value.code == "rule_denied"
