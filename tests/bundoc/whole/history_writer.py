"""A process that writes a few documents in all ways and prints each call and answer, until it is killed.

Other tasks read the documents meanwhile, one document or all documents in one query.

python -m tests.bundoc.whole.history_writer <directory> <hex secret of the KMS> <round>

The program prints lines of JSON, in the order of the events: `{"call":n,"writes":[[id,op,mark]…]}` before a commit,
`{"ok":n,"seq":s,"revs":[…]}` after its answer, `{"no":n}` after a refusal; `{"read":n}` before a read,
`{"saw":n,"found":{id:[rev,mark]…}}` after it, with null for a missing document. Each write stores its own mark, so that
a reader knows which write it sees. `slot` is unique: a write with a slot that is taken is refused.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from bunbase.bundoc.commits import steps_of
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.pkg.errors import Problem
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

WORKERS = 48
READERS = 8
DOCUMENTS = 12
SLOTS = 8
SLOT = IndexSpec(("slot",), "slot", unique=True)
PROJECT, COLLECTION = "prj_a", "things"


def say(line: dict[str, Any]) -> None:
    # The output is unbuffered, so every line was printed before the kill.
    os.write(1, msgspec.json.encode(line) + b"\n")


def chosen(mark: str) -> list[tuple[str, str, str]]:
    """Return some writes, each as (id, op, mark)."""
    ids = random.sample(range(DOCUMENTS), random.choice((1, 1, 1, 2, 4)))
    ops = random.choices(("create", "put", "patch", "inc", "delete", "claim"), (2, 2, 2, 4, 1, 2), k=len(ids))
    return [(f"d{id}", op, f"{mark}.{at}") for at, (id, op) in enumerate(zip(ids, ops, strict=True))]


def new_fields(op: str, mark: str) -> dict[str, Any]:
    slot = crc32(mark.encode()) % SLOTS if op == "claim" else mark
    return {"mark": mark, "n": 0, "slot": slot}


def body_of(writes: list[tuple[str, str, str]]) -> bytes:
    def sent(id: str, op: str, mark: str) -> dict[str, Any]:
        base = {"op": {"inc": "patch", "claim": "put"}.get(op, op), "collection": COLLECTION, "id": id}
        match op:
            case "delete":
                return base
            case "inc":
                return {**base, "data": {"$inc": {"n": 1}, "$set": {"mark": mark}}}
            case "patch":
                return {**base, "data": {"mark": mark}}
        return {**base, "data": new_fields(op, mark)}

    return msgspec.json.encode({"writes": [sent(*write) for write in writes]})


async def work(engine: SqliteEngine, round: str, worker: int) -> None:
    for number in range(1_000_000):
        call = f"{round}-{worker}-{number}"
        writes = chosen(call)
        say({"call": call, "writes": writes})
        try:
            done = await engine.commit(PROJECT, steps_of(body_of(writes)))
        except Problem:
            say({"no": call})
        else:
            say({"ok": call, "seq": done.seq, "revs": [kept.rev if kept else 0 for kept in done.results]})


async def look(engine: SqliteEngine, round: str, reader: int) -> None:
    for number in range(1_000_000):
        call = f"{round}-r{reader}-{number}"
        ids = [f"d{id}" for id in range(DOCUMENTS)]
        say({"read": call})
        if number % 4:
            ids = random.sample(ids, 1)
            found = [await engine.get(PROJECT, COLLECTION, ids[0])]
        else:
            found = list((await engine.search(PROJECT, COLLECTION, Search())).items)
        seen = {one.id: (one.rev, msgspec.json.decode(one.body)["mark"]) for one in found if one is not None}
        say({"saw": call, "found": {id: seen.get(id) for id in ids}})
        await asyncio.sleep(0.001)


async def main(directory: str, secret: str, round: str) -> None:
    async with sqlite_engine(Path(directory), FakeKms(bytes.fromhex(secret))) as engine:
        await engine.alter(PROJECT, COLLECTION, CollectionSpec((SLOT,), before_images=True))
        readers = (look(engine, round, reader) for reader in range(READERS))
        await asyncio.gather(*readers, *(work(engine, round, worker) for worker in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
