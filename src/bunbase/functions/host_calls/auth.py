"""`ctx.auth`: the call's own signed-in user, as TenantAuth knows it now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.host_calls.power import caller_of
from bunbase.functions.workers.asks import Ask

MAX_BODY_BYTES: Final = 64 << 10


class NewData(msgspec.Struct, frozen=True):
    data: dict[str, Any]


async def me(users: TenantAuth, ask: Ask) -> bytes:
    return msgspec.json.encode(await users.me(caller_of(ask, "caller")))


async def update_me(users: TenantAuth, ask: Ask) -> bytes:
    new = read(await ask.body(MAX_BODY_BYTES), NewData)
    return msgspec.json.encode(await users.update_me(caller_of(ask, "caller"), new.data))


METHODS: Final[dict[str, Callable[[TenantAuth, Ask], Awaitable[bytes]]]] = {
    "auth.me": me,
    "auth.updateMe": update_me,
}
