"""Queries Bundoc for the changed documents that match the `where` of a trigger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.triggers import DataTrigger

IDS_AT_ONCE: Final = 50  # A filter may have 200 terms, and each id is a term, so 150 terms remain for `where`.


class _Id(msgspec.Struct, frozen=True, rename={"id": "_id"}):
    id: str


class _Page(msgspec.Struct, frozen=True):
    items: tuple[_Id, ...]
    next: str | None


async def matching(bundoc: Bundoc, caller: Caller, trigger: DataTrigger, ids: Sequence[str]) -> set[str]:
    """Return the ids whose documents match the filter now. Raises: the errors of `Bundoc.query`."""
    found: set[str] = set()
    for start in range(0, len(ids), IDS_AT_ONCE):
        where = _question(ids[start : start + IDS_AT_ONCE], trigger)
        cursor: str | None = None
        while True:  # A page with large documents may contain fewer documents than its limit.
            query = Query(where, limit=IDS_AT_ONCE, cursor=cursor, select=("_id",))
            page = msgspec.json.decode((await bundoc.query(caller, trigger.collection, query)).body, type=_Page)
            found |= {one.id for one in page.items}
            if (cursor := page.next) is None:
                break
    return found


async def try_out(bundoc: Bundoc, caller: Caller, trigger: DataTrigger) -> None:
    """Check that the filter is valid by running it with the maximum number of ids.

    Raises: the errors of `Bundoc.query`.
    """
    await matching(bundoc, caller, trigger, [f"none-{number}" for number in range(IDS_AT_ONCE)])


def _question(ids: Sequence[str], trigger: DataTrigger) -> bytes:
    where: dict[str, Any] = trigger.where or {}
    return msgspec.json.encode({"$and": [{"_id": {"$in": ids}}, where]})
