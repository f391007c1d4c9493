"""Callers with different rights, and the requests that tests of these rights send."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.errors import Problem
from tests.rooms import publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
NOBODY = publishable_caller("prj_a")
C = "posts"


def user(uid: str, role: str = "user", **claims: Any) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, f"{uid}@example.com", role, claims, "s"))


ADA, EVE, ADMIN = user("ada"), user("eve"), user("root", role="admin")


async def ruled(service: BundocService, rules: Rules, *indexes: IndexSpec, collection: str = C) -> None:
    await service.put_collection(SERVER, collection, CollectionSpec(indexes, rules=rules))


async def put(service: BundocService, id: str, collection: str = C, **fields: Any) -> None:
    await service.put(SERVER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)


def body(fields: Any) -> bytes:
    return msgspec.json.encode(fields)


async def fields_of(service: BundocService, id: str, caller: Caller = SERVER) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await service.get(caller, C, id)).body)
    return {name: value for name, value in found.items() if not name.startswith("_")}


async def asked(service: BundocService, caller: Caller, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = msgspec.json.decode((await service.query(caller, C, Query(**query))).body)
    return page


async def listed(service: BundocService, caller: Caller) -> list[str]:
    page = msgspec.json.decode((await service.list(caller, C, 100, None)).body)
    return [item["_id"] for item in page["items"]]


async def refusal(awaitable: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await awaitable
    return caught.value


OWNERS = Rules(
    list="auth.uid == doc.owner",
    get="auth.uid == doc.owner",
    create="next.owner == auth.uid",
    update="doc.owner == auth.uid && next.owner == doc.owner",
    delete="doc.owner == auth.uid",
)
