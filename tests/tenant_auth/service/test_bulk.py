"""Acts on many users at once."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.bulk import BulkAction, BulkChange, BulkFilter, NotChanged
from bunbase.contracts.tenant_auth.users import NewUser, UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, without_password

SERVER: Final = secret_caller(BAKERY)


async def crowd(room: TenantAuthService, size: int, role: str = "user") -> list[str]:
    made = [await room.create_user(SERVER, NewUser(f"{role}{n}@example.com", role=role)) for n in range(size)]
    return [one.id for one in made]


async def left(room: TenantAuthService, only: UserFilter) -> int:
    return len((await room.users(SERVER, only, 500, None)).items)


async def test_many_users_are_banned_and_unbanned_and_each_that_does_not_exist_is_named(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, "eve@example.com", clock)
    stranger = await tenant_auth.create_user(secret_caller(LIBRARY), NewUser("other@example.com"))
    ids = (eve.end_user().uid, *await crowd(tenant_auth, 3))
    wrong = ("usr_nobody", stranger.id)
    ban = BulkChange(BulkAction.BAN, (*ids, *wrong, ids[0]))

    result = await tenant_auth.change_users(SERVER, ban)
    again = await tenant_auth.change_users(SERVER, ban)

    assert (result.done, result.next) == (4, None)
    assert result.failed == tuple(NotChanged(id, "user_not_found") for id in sorted(wrong))
    assert result.digest == hashlib.sha256("".join(f"{id}\n" for id in sorted(ids)).encode()).hexdigest()
    assert again == result
    assert await left(tenant_auth, UserFilter(banned=True)) == 4
    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 1)
    assert not (await tenant_auth.user(secret_caller(LIBRARY), stranger.id)).banned
    await tenant_auth.change_users(SERVER, BulkChange(BulkAction.UNBAN, ids[:2]))
    assert await left(tenant_auth, UserFilter(banned=True)) == 2


async def test_all_users_of_a_filter_are_deleted_page_by_page_also_by_two_requests_at_once(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.tenant_auth.service.bulk.CHUNK", 4)
    await crowd(tenant_auth, 25, "guest")
    await crowd(tenant_auth, 2)
    first = BulkChange(BulkAction.DELETE, filter=BulkFilter(role="guest"), limit=10)

    pages = await asyncio.gather(*(tenant_auth.change_users(SERVER, first) for _ in range(2)))
    rest = await tenant_auth.change_users(
        SERVER, BulkChange(BulkAction.DELETE, filter=first.filter, cursor=pages[0].next)
    )

    assert sum(page.done for page in pages) == 10 or sum(page.done for page in pages) == 20
    assert (rest.next, await left(tenant_auth, UserFilter())) == (None, 2)


async def test_an_act_on_everybody_or_on_nobody_is_refused(tenant_auth: TenantAuthService) -> None:
    for change in (
        BulkChange(BulkAction.DELETE, filter=BulkFilter(q="a\0")),
        BulkChange(BulkAction.DELETE),
        BulkChange(BulkAction.DELETE, filter=BulkFilter()),
        BulkChange(BulkAction.DELETE, ("usr_1",), BulkFilter(role="user")),
    ):
        with pytest.raises(InvalidInput):
            await tenant_auth.change_users(SERVER, change)
    for caller in (AT_BAKERY, member_caller(BAKERY, Role.VIEWER)):
        with pytest.raises(Forbidden):
            await tenant_auth.change_users(caller, BulkChange(BulkAction.BAN, ("usr_1",)))
