"""The limit on a document's size does not reveal the size of its hidden fields."""

from __future__ import annotations

import msgspec
import pytest

from bunbase.bundoc.documents import MAX_BYTES
from bunbase.bundoc.permissions.write_guard import ROOM_BYTES
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import DocumentTooLarge, RuleDenied
from tests.bundoc.permissions.asking import ADA, SERVER, C, ruled

HIDDEN = {"salary": "auth.role != 'admin'", "notes.private": "true"}
STORED: list[dict[str, object]] = [
    {},
    {"salary": "x"},
    {"salary": "x" * 60_000},
    {"notes": [{"private": ["x" * 500] * 100}]},
]


async def most(service: BundocService) -> int:
    """Return the longest text that Ada can store beside the fields of the document."""
    low, high = MAX_BYTES - 3 * ROOM_BYTES, MAX_BYTES
    while high - low > 1:
        tried = (low + high) // 2
        low, high = (tried, high) if await fits(service, tried) else (low, tried)
    return low


async def fits(service: BundocService, length: int) -> bool:
    """True if the document is not too large; the rule may deny the update nevertheless."""
    try:
        await service.patch(ADA, C, "a", msgspec.json.encode({"text": "x" * length}), NO_PRECONDITION)
    except DocumentTooLarge:
        return False
    except RuleDenied:
        pass
    return True


async def stored(service: BundocService, fields: dict[str, object]) -> None:
    await service.put(SERVER, C, "a", msgspec.json.encode({"notes": [{"private": []}], **fields}), NO_PRECONDITION)


@pytest.mark.parametrize("update", ["true", "false"])
async def test_hidden_fields_cannot_be_measured(service: BundocService, update: str) -> None:
    await ruled(service, Rules(get="true", update=update, hidden=HIDDEN))
    found = set()
    for fields in STORED if update == "true" else STORED[1:3]:
        await stored(service, fields)
        found.add(await most(service))

    assert len(found) == 1
    assert MAX_BYTES - ROOM_BYTES - 100 < found.pop() < MAX_BYTES - ROOM_BYTES


async def test_a_caller_that_sees_all_fields_may_use_all_bytes(service: BundocService) -> None:
    await ruled(service, Rules(get="true", update="true", hidden={"salary": "auth.uid != 'ada'"}))
    await stored(service, {"salary": "x"})

    assert await most(service) > MAX_BYTES - 100
