"""Short functions that write documents, begin walks and wait for them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import msgspec

from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.walks import NewWalk, Walk, WalkState
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, SERVER

COUNT = "(document) => ({ patch: { $inc: { n: 1 } } })"


async def fill(bundoc: Bundoc, count: int, collection: str = "people", **fields: Any) -> None:
    """Write documents with the ids `d0000`, `d0001`, …"""
    await bundoc.put_collection(SERVER, collection, CollectionSpec())
    for start in range(0, count, 500):
        writes = [
            {"op": "put", "collection": collection, "id": f"d{number:04}", "data": {"n": 0, **fields}}
            for number in range(start, min(start + 500, count))
        ]
        await bundoc.commit(SERVER, msgspec.json.encode({"writes": writes}))


async def documents(bundoc: Bundoc, collection: str = "people") -> list[dict[str, Any]]:
    items, cursor = list[dict[str, Any]](), None
    while True:
        page = msgspec.json.decode((await bundoc.list(SERVER, collection, 500, cursor)).body)
        items += page["items"]
        if (cursor := page["next"]) is None:
            return items


async def deploy_migration(functions: Functions, each: str, collection: str = "people", **config: Any) -> None:
    code = f"exports.migration = {{ collection: {collection!r}, each: {each} }}"
    bundle = Bundle(code.encode(), None, msgspec.convert(config, FunctionConfig))
    await functions.deploy(MEMBER, "m", bundle)


async def migrate(functions: Functions, name: str = "0001_first", code: str = "", **options: Any) -> Walk:
    checksum = hashlib.sha256(code.encode()).hexdigest()
    asked = {"kind": "migration", "function": "m", "name": name, "checksum": checksum, **options}
    return await functions.begin_walk(MEMBER, msgspec.convert(asked, NewWalk))


async def ended(functions: Functions, walk: Walk) -> Walk:
    """Wait until the walk no longer runs, and return it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (now := await functions.walk(MEMBER, walk.id)).state is WalkState.RUNNING:
        assert time.monotonic() < deadline, f"the walk has not ended: {now}"
        await asyncio.sleep(0.02)
    return now
