"""After kill -9 under mixed load, the history is possible for writes that happened one after the other.

The change log has the order of the writes. The test replays the log and compares it with the lines that the writers
printed. Each acknowledged commit must be in the log, complete and under its own numbers. The result of the replay must
equal the stored documents. The commit that wrote a document last must not have been refused, and all its writes must
have happened, even if the process was killed before the answer. BUNBASE_HISTORY_SECONDS makes the run longer.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from bunbase.bundoc.query.filters import Compare
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.documents import ChangeEntry
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.killing import killed
from tests.bundoc.whole.history_writer import COLLECTION, PROJECT, new_fields
from tests.bundoc.whole.real_time import in_real_time
from tests.fakes import FakeKms

WRITER = "tests.bundoc.whole.history_writer"
SECONDS = float(os.environ.get("BUNBASE_HISTORY_SECONDS", "3"))
MOST_ACKNOWLEDGED = 3000  # One round has at most this many acknowledged writes.

Written = list[tuple[str, str, str]]


async def test_kill_9_leaves_a_history_that_could_have_happened(tmp_path: Path) -> None:
    secret = os.urandom(32)
    directory = tmp_path / "bundoc"
    called: dict[str, Written] = {}
    acknowledged: dict[str, tuple[int, list[int]]] = {}
    refused: set[str] = set()

    until = time.monotonic() + SECONDS
    round, lines = 0, []
    while time.monotonic() < until or round < 2:
        said = await killed(WRITER, directory, secret, round, b'{"ok"', random.randint(1, MOST_ACKNOWLEDGED))
        for line in map(msgspec.json.decode, said):
            lines.append(line)
            if "call" in line:
                called[line["call"]] = [(id, op, mark) for id, op, mark in line["writes"]]
            elif "ok" in line:
                acknowledged[line["ok"]] = (line["seq"], line["revs"])
            elif "no" in line:
                refused.add(line["no"])
        round += 1

    log, stored = await what_is_there(directory, secret)
    assert [entry.seq for entry in log] == list(range(1, len(log) + 1))
    at = in_the_log(called, acknowledged, log)
    assert replayed(log, called, at) == stored
    whole_or_not_at_all(log, stored, called, refused)
    reads = in_real_time(lines, log, at)
    say(f"{round} kills, {len(log)} changes, {len(acknowledged)} acknowledged commits, {reads} reads")


def say(what: str) -> None:
    """Print the numbers of a round, for long runs with `pytest -s`."""
    sys.stderr.write(f"{what}\n")


def whole_or_not_at_all(
    log: list[ChangeEntry], stored: dict[str, Content], called: dict[str, Written], refused: set[str]
) -> None:
    """Assert that the commit which wrote a document last was not refused, and that all its other writes happened."""
    last = {entry.id: entry.seq for entry in log}
    for id, content in stored.items():
        assert content.fields is not None
        call, _, at = content.fields["mark"].rpartition(".")
        assert call not in refused
        first = last[id] - int(at)
        assert [log[first - 1 + step].id for step in range(len(called[call]))] == [one for one, _, _ in called[call]]


def in_the_log(
    called: dict[str, Written], acknowledged: dict[str, tuple[int, list[int]]], log: list[ChangeEntry]
) -> dict[int, str]:
    """Assert that no two acknowledged commits share a number. Return the call of each number."""
    at: dict[int, str] = {}
    for call, (last, revs) in acknowledged.items():
        writes = called[call]
        for seq, (id, op, _), rev in zip(range(last - len(writes) + 1, last + 1), writes, revs, strict=True):
            assert seq not in at
            at[seq] = call
            entry = log[seq - 1]
            assert entry.id == id
            assert (entry.op == "delete") == (op == "delete")
            assert op == "delete" or entry.rev == rev
    return at


def replayed(log: list[ChangeEntry], called: dict[str, Written], at: dict[int, str]) -> dict[str, Any]:
    """Replay the log on a dict. Return the revision of each document, and its content if its writer is known.

    A commit whose answer was cut off may be in the log. The entries of such a commit belong to no acknowledged call,
    and only the stored documents show what it wrote.
    """
    documents: dict[str, Any] = {}
    ended: dict[str, int] = {}
    for entry in log:
        before = documents.get(entry.id)
        check_image(entry, before)
        match entry.op:
            case "create":
                assert before is None
                assert entry.rev == ended.get(entry.id, 0) + 1
            case "update":
                assert before is not None
                assert entry.rev == before[0] + 1
            case "delete":
                assert before is not None
                assert entry.rev == before[0]
                ended[entry.id] = entry.rev
                del documents[entry.id]
                continue
        documents[entry.id] = (entry.rev, written(entry, before, called, at.get(entry.seq)))
    return {id: Content(rev, fields) for id, (rev, fields) in documents.items()}


def check_image(entry: ChangeEntry, before: Any) -> None:
    """Assert that the image of a change is the document that the replay has before it."""
    if entry.before is None:
        assert entry.op == "create"
        return
    image = msgspec.json.decode(entry.before)
    assert image["_rev"] == before[0]
    if before[1] is not None:
        assert {name: value for name, value in image.items() if name[0] != "_"} == before[1]


def written(entry: ChangeEntry, before: Any, called: dict[str, Written], call: str | None) -> dict[str, Any] | None:
    if call is None:
        return None
    op, mark = next((op, mark) for id, op, mark in called[call] if id == entry.id)
    if op in ("create", "put", "claim"):
        return new_fields(op, mark)
    if before[1] is None:
        return None
    return {**before[1], "mark": mark, "n": before[1]["n"] + (op == "inc")}


class Content:
    """A document, or, with fields None, an unknown document that equals each document of its revision."""

    def __init__(self, rev: int, fields: dict[str, Any] | None) -> None:
        self.rev = rev
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Content)
        return self.rev == other.rev and (None in (self.fields, other.fields) or self.fields == other.fields)

    def __hash__(self) -> int:
        return hash(self.rev)

    def __repr__(self) -> str:
        return f"{self.rev}: {self.fields}"


async def what_is_there(directory: Path, secret: bytes) -> tuple[list[ChangeEntry], dict[str, Content]]:
    async with sqlite_engine(directory, FakeKms(secret)) as engine:
        log: list[ChangeEntry] = []
        while found := (await engine.changes(PROJECT, len(log), 500)).items:
            log += found
        chunk = await engine.page(PROJECT, COLLECTION, "", 500)
        await index_fits(engine, {one.id: msgspec.json.decode(one.body)["slot"] for one in chunk.items})
        return log, {one.id: Content(one.rev, msgspec.json.decode(one.body)) for one in chunk.items}


async def index_fits(engine: SqliteEngine, slots: dict[str, Any]) -> None:
    """Assert that each slot is used once, and that the index leads only to the document with this slot."""
    assert len(set(slots.values())) == len(slots)
    for id, slot in slots.items():
        found = await engine.search(PROJECT, COLLECTION, Search(where=Compare(("slot",), "=", slot)))
        assert (found.index, [one.id for one in found.items]) == ("slot", [id])
    everything = await engine.search(PROJECT, COLLECTION, Search(order=parse_sort(["slot"]), max_scan=len(slots)))
    assert (everything.index, len(everything.items)) == ("slot", len(slots))
