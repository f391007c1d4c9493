"""A live query in the client is compared with a model, for random results and the messages between the results."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from bunbase_sdk.core.held_result import HeldResult

Documents = list[dict[str, Any]]


def between(before: Documents, after: Documents) -> dict[str, Any]:
    """Return the members of a message with the difference of two results.

    Each moved or changed document is in `put`.
    """
    old = {one["_id"]: (index, one) for index, one in enumerate(before)}
    there = {one["_id"] for one in after}
    kept = [one["_id"] for one in before if one["_id"] in there]
    put = []
    for index, one in enumerate(after):
        if one["_id"] in old and old[one["_id"]][1] == one and kept and kept[0] == one["_id"]:
            kept.pop(0)
        else:
            put.append([index, one])
            kept = [id for id in kept if id != one["_id"]]
    return {"gone": [one["_id"] for one in before if one["_id"] not in there], "put": put}


def other(draw: random.Random, documents: Documents) -> Documents:
    """Return a result that some documents have left, and in which other documents are new, changed or moved."""
    kept = [{**one, "_rev": one["_rev"] + draw.randint(0, 1)} for one in documents if draw.random() < 0.8]
    ids = {one["_id"] for one in kept}
    new = [{"_id": f"d{n}", "_rev": 1} for n in draw.sample(range(30), 4) if f"d{n}" not in ids]
    result = kept + new
    if draw.random() < 0.3:
        draw.shuffle(result)
    return result


def digest(documents: Documents) -> str:
    lines = [f"{one['_id']} {one['_rev']}\n" for one in documents]
    return f"{zlib.crc32(''.join(lines).encode()):08x}"


@pytest.mark.parametrize("seed", range(20))
def test_the_state_follows_the_differences(seed: int) -> None:
    draw = random.Random(seed)
    held, result = HeldResult(), other(draw, [])
    held.now({"g": "k", "turn": 4, "docs": result, "n": len(result)})
    told = held.take("e.1")
    assert told is not None
    assert (told.items, told.added, told.count) == (result, result, len(result))
    for turn in range(5, 60):
        before, result = result, other(draw, result)
        if draw.random() < 0.2:
            assert held.resume()["have"] == [one["_id"] for one in before]
            held.now({"g": "k2", "turn": turn, "resumed": True, **between(before, result)})
            held.group = "k"
        else:
            assert held.diff({"g": "k", "turn": turn, **between(before, result)})
        assert held.agrees({"g": "k", "turn": turn, "n": len(result), "h": digest(result)})
        seen = held.take(f"e.{turn}")
        old, new = {one["_id"]: one for one in before}, {one["_id"]: one for one in result}
        if seen is None:
            assert before == result
            continue
        assert seen.items == result
        assert seen.added == [one for id, one in new.items() if id not in old]
        assert seen.removed == [one for id, one in old.items() if id not in new]
        assert seen.changed == [one for id, one in new.items() if id in old and old[id] != one]


def test_repetitions_gaps_and_other_groups() -> None:
    held = HeldResult()
    held.now({"g": "k", "turn": 7, "docs": [{"_id": "a", "_rev": 1}]})
    assert held.resume() == {}  # Before a barrier, the client holds nothing.
    held.take("e.1")
    assert held.diff({"g": "k", "turn": 7, "gone": ["a"]})
    assert held.diff({"g": "other", "turn": 9, "gone": ["a"]})
    assert [one["_id"] for one in held.items] == ["a"]
    assert not held.diff({"g": "k", "turn": 9, "gone": ["a"]})
    assert held.take("e.2") is None
    assert held.resume() == {"at": "e.2", "g": "k", "have": ["a"]}
    assert not held.agrees({"g": "k", "turn": 7, "n": 1, "h": digest([{"_id": "a", "_rev": 2}])})
    held.forget()
    assert held.resume() == {}
