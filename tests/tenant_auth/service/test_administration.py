from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import EmailTaken, InvalidCredentials, InvalidToken
from bunbase.contracts.bunkms import KeyDestroyed
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.revocations import Revocation, RevokedKind, user_version
from bunbase.contracts.tenant_auth.problems import PhoneTaken, UserBanned, UserNotFound
from bunbase.contracts.tenant_auth.users import ManagedUser, NewUser, User, UserChanges, UserFilter
from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.tenant_auth.people import Person, with_changes
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.feeds import feed_of
from tests.fakes import FakeKms
from tests.rooms import ANYONE, member_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, PASSWORD, claims_of, signed_up

SERVER, ELSEWHERE = secret_caller(BAKERY), secret_caller(LIBRARY)


EVERYONE = UserFilter()


async def test_a_user_is_created_found_changed_and_deleted(tenant_auth: TenantAuthService) -> None:
    new = NewUser("Eve@Example.com", PASSWORD, True, "editor", {"team": "one"}, {"theme": "dark"})

    made = await tenant_auth.create_user(SERVER, new)

    assert (made.email, made.email_verified, made.role) == ("eve@example.com", True, "editor")
    assert (made.claims, made.data, made.banned, made.has_password) == ({"team": "one"}, {"theme": "dark"}, False, True)
    assert await tenant_auth.user(SERVER, made.id) == made
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user.role == "editor"
    changed = await tenant_auth.update_user(SERVER, made.id, UserChanges(data={}, email="ada@example.com"))
    assert changed == await tenant_auth.user(SERVER, made.id)
    assert (changed.email, changed.data, changed.role, changed.claims) == (
        *("ada@example.com", {}),
        *("editor", {"team": "one"}),
    )
    await tenant_auth.delete_user(SERVER, made.id)
    for gone in (tenant_auth.user(SERVER, made.id), tenant_auth.delete_user(SERVER, made.id)):
        with pytest.raises(UserNotFound):
            await gone


async def test_users_are_listed_newest_first_in_pages(tenant_auth: TenantAuthService) -> None:
    made = [await tenant_auth.create_user(SERVER, NewUser(f"user{number}@example.com")) for number in range(5)]
    await tenant_auth.create_user(ELSEWHERE, NewUser("stranger@example.com"))

    first = await tenant_auth.users(SERVER, EVERYONE, 3, None)
    last = await tenant_auth.users(SERVER, EVERYONE, 3, first.next)

    assert [*first.items, *last.items] == made[::-1]
    assert last.next is None
    for caller, only in ((SERVER, UserFilter(role="user")), (ELSEWHERE, EVERYONE)):
        with pytest.raises(InvalidCursor):
            await tenant_auth.users(caller, only, 3, first.next)


async def test_users_are_filtered_by_email_role_and_ban(tenant_auth: TenantAuthService) -> None:
    for new in (
        NewUser("ada@example.com", role="admin"),
        NewUser("adam@example.com"),
        NewUser("eve@example.com"),
        NewUser("é@example.com"),
    ):
        await tenant_auth.create_user(SERVER, new)
    adam = (await tenant_auth.users(SERVER, UserFilter(email="adam@example.com"), 1, None)).items[0]
    await tenant_auth.update_user(SERVER, adam.id, UserChanges(banned=True))

    async def found(**only: Any) -> set[str | None]:
        page = await tenant_auth.users(SERVER, UserFilter(**only), 10, None)
        return {user.email and user.email.partition("@")[0] for user in page.items}

    assert await found(email=" ADA@example.com") == {"ada"}
    assert await found(email="no address") == set()
    assert await found(q="Ada") == {"ada", "adam"}
    assert await found(q="e\u0301") == {"é"}
    assert await found(q="%") == set()
    assert await found(q="") == {"ada", "adam", "eve", "é"}
    assert await found(role="admin") == {"ada"}
    assert await found(banned=True) == {"adam"}
    assert await found(banned=False, q="a") == {"ada"}


async def test_renewed_tokens_end_the_access_tokens_and_no_session_and_change_nothing_else(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    before = await tenant_auth.user(SERVER, new.user.id)
    session = (await _claims(tenant_auth, clock, new.access_token))["sid"]

    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(renew_tokens=False))
    still = await tenant_auth.session_alive(BAKERY, session, 0)
    after = await tenant_auth.update_user(SERVER, new.user.id, UserChanges(renew_tokens=True))

    assert still
    assert after == before
    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    refreshed = await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    claims = await _claims(tenant_auth, clock, refreshed.access_token)
    assert (claims["sid"], claims["ver"]) == (session, 1)


async def test_a_new_role_revokes_access_tokens_and_the_next_refresh_has_it(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    session = (await _claims(tenant_auth, clock, new.access_token))["sid"]

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        await tenant_auth.update_user(SERVER, new.user.id, UserChanges(role="editor", claims={"team": 1}))
        told = await feed.next()

    now = clock.now().timestamp()
    assert told == Revocation(RevokedKind.USER, user_version(BAKERY, new.user.id, 0), now + 960, now)
    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    refreshed = await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    claims = await _claims(tenant_auth, clock, refreshed.access_token)
    assert (claims["role"], claims["claims"], claims["sid"], claims["ver"]) == ("editor", {"team": 1}, session, 1)
    assert await tenant_auth.session_alive(BAKERY, session, 1)


async def test_a_change_of_data_revokes_no_tokens(tenant_auth: TenantAuthService) -> None:
    new = await signed_up(tenant_auth)

    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(data={"n": 1}, role="user"))
    changed = await tenant_auth.update_user(SERVER, new.user.id, UserChanges(data={"n": True}))

    assert changed.data["n"] is True
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM revocations") == 0


async def test_claims_that_are_equal_only_in_python_revoke_the_tokens_too(tenant_auth: TenantAuthService) -> None:
    new = await signed_up(tenant_auth)

    for admin in (1, True, 1.0):
        await tenant_auth.update_user(SERVER, new.user.id, UserChanges(claims={"admin": admin}))

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM revocations") == 3


async def test_a_ban_ends_every_session_and_is_shown_only_with_the_right_password(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    session = (await _claims(tenant_auth, clock, new.access_token))["sid"]

    banned = await tenant_auth.update_user(SERVER, new.user.id, UserChanges(banned=True))

    assert banned.banned
    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    assert not await tenant_auth.session_alive(BAKERY, session, 1)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    with pytest.raises(UserBanned):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", "wrong horse battery")

    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(banned=False))

    assert await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    with pytest.raises(InvalidToken):  # The end of the ban does not restore sessions.
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)


async def test_a_ban_with_an_end_refuses_sign_ins_until_then_and_the_user_does_not_learn_the_end(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new, end = await signed_up(tenant_auth), clock.now() + timedelta(hours=1)

    banned = await tenant_auth.update_user(SERVER, new.user.id, UserChanges(banned_until=end))

    assert (banned.banned, banned.banned_until) == (True, end)
    custom = tenant_auth.custom_token(SERVER, new.user.id, {})
    for refused in (tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD), custom):
        with pytest.raises(UserBanned) as caught:
            await refused
        assert str(end.year) not in caught.value.detail
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    assert await _banned(tenant_auth, True) == [new.user.id]

    clock.advance(3600)

    shown = await tenant_auth.user(SERVER, new.user.id)
    assert (shown.banned, shown.banned_until, await _banned(tenant_auth, True)) == (False, None, [])
    assert await _banned(tenant_auth, False) == [new.user.id]
    later = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    with pytest.raises(InvalidToken):  # The end of the ban does not restore sessions.
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)

    # This is another ban, after the end of the first ban.
    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(banned=True))

    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, later.refresh_token)


HOUR_LATER, DAY_LATER = (ManualClock().now() + timedelta(hours=hours) for hours in (1, 24))


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"banned": True}, (True, None)),
        ({"banned": True, "banned_until": DAY_LATER}, (True, DAY_LATER)),
        ({"banned_until": DAY_LATER}, (True, DAY_LATER)),
        ({"banned_until": None}, (True, None)),
        ({"banned": False}, (False, None)),
        ({"banned": False, "banned_until": None}, (False, None)),
        ({"role": "editor"}, (True, HOUR_LATER)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_change_of_a_ban_keeps_what_it_does_not_name(
    changes: dict[str, Any], after: tuple[bool, datetime | None]
) -> None:
    now = ManualClock().now()
    eve = Person(User("usr_1", "eve@example.com", True, "user", {}, {}, now), banned_at=now, banned_until=HOUR_LATER)

    change = with_changes(eve, UserChanges(**changes), None, now)

    assert (change.person.is_banned(now), change.person.banned_until) == after
    assert not change.ends_sessions, "the sessions have ended with the first ban"


async def test_the_end_of_a_ban_lies_in_the_future_and_within_a_century(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    farthest = datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))

    wrong = [UserChanges(banned_until=until) for until in (clock.now(), farthest)]
    for changes in (*wrong, UserChanges(banned=False, banned_until=DAY_LATER)):
        with pytest.raises(InvalidInput):
            await tenant_auth.update_user(SERVER, eve.id, changes)

    assert not (await tenant_auth.user(SERVER, eve.id)).banned


async def test_every_sign_in_stores_its_time_and_a_refresh_does_not(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    made = await tenant_auth.create_user(SERVER, NewUser("ada@example.com"))
    assert made.last_sign_in_at is None
    first = clock.now()
    new = await signed_up(tenant_auth)
    assert (await tenant_auth.user(SERVER, new.user.id)).last_sign_in_at == first

    clock.advance(60)
    again = clock.now()
    both = await asyncio.gather(*(tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD) for _ in range(2)))
    clock.advance(60)
    await tenant_auth.refresh(AT_BAKERY, both[0].refresh_token)
    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(role="editor"))

    assert (await tenant_auth.user(SERVER, new.user.id)).last_sign_in_at == again


async def _banned(tenant_auth: TenantAuthService, banned: bool) -> list[str]:
    page = await tenant_auth.users(SERVER, UserFilter(banned=banned), 10, None)
    return [user.id for user in page.items]


async def test_a_new_password_ends_every_session(tenant_auth: TenantAuthService) -> None:
    new = await signed_up(tenant_auth)

    await tenant_auth.update_user(SERVER, new.user.id, UserChanges(password="another password"))

    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    assert await tenant_auth.login(AT_BAKERY, "eve@example.com", "another password")


async def test_ending_all_sessions_of_a_user_allows_new_ones(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    first = await signed_up(tenant_auth)
    await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    standing = await tenant_auth.user_sessions(SERVER, first.user.id, 10, None)

    await tenant_auth.end_user_sessions(SERVER, first.user.id)

    assert len(standing.items) == 2
    assert not (await tenant_auth.user_sessions(SERVER, first.user.id, 10, None)).items
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    later = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    assert (await _claims(tenant_auth, clock, later.access_token))["ver"] == 1
    assert await tenant_auth.refresh(AT_BAKERY, later.refresh_token)


async def test_open_sessions_of_a_user_are_listed_newest_first(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    sessions = [(await _claims(tenant_auth, clock, new.access_token))["sid"]]
    for _ in range(2):
        again = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
        sessions.insert(0, (await _claims(tenant_auth, clock, again.access_token))["sid"])

    first = await tenant_auth.user_sessions(SERVER, new.user.id, 2, None)
    last = await tenant_auth.user_sessions(SERVER, new.user.id, 2, first.next)
    clock.advance(180 * 86400)

    assert [session.id for session in (*first.items, *last.items)] == sessions
    assert not (await tenant_auth.user_sessions(SERVER, new.user.id, 2, None)).items


async def test_a_deleted_user_has_no_sessions_and_cannot_sign_in(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth)
    session = (await _claims(tenant_auth, clock, new.access_token))["sid"]

    async with feed_of(tenant_auth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY
        await tenant_auth.delete_user(SERVER, new.user.id)
        told = await feed.next()

    assert (told.kind, told.id) == (RevokedKind.USER, user_version(BAKERY, new.user.id, 0))
    assert not await tenant_auth.session_alive(BAKERY, session, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, new.refresh_token)
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    assert (await signed_up(tenant_auth)).user.id != new.user.id


async def test_a_user_without_a_password_cannot_sign_in_with_any(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    hashed: list[str] = []
    really = passwords_module._matches

    def counting(password: str, hash: str) -> bool:
        hashed.append(hash)
        return really(password, hash)

    monkeypatch.setattr(passwords_module, "_matches", counting)

    for password in (PASSWORD, ""):
        with pytest.raises(InvalidCredentials):
            await tenant_auth.login(AT_BAKERY, "eve@example.com", password)

    assert len(hashed) == 2
    assert not made.has_password
    assert (await tenant_auth.update_user(SERVER, made.id, UserChanges(password=PASSWORD))).has_password
    assert await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


def managing(room: TenantAuthService, caller: Caller, id: str) -> list[Awaitable[object]]:
    """Return one call of each method that manages a single user: reads first, then changes."""
    return [
        room.user(caller, id),
        room.user_sessions(caller, id, 10, None),
        room.update_user(caller, id, UserChanges(role="admin")),
        room.end_user_sessions(caller, id),
        room.custom_token(caller, id, {}),
        room.delete_user(caller, id),
    ]


async def test_only_the_secret_key_and_members_manage_users(tenant_auth: TenantAuthService) -> None:
    eve = (await signed_up(tenant_auth)).user
    viewer, developer = member_caller(BAKERY, Role.VIEWER), member_caller(BAKERY, Role.DEVELOPER)
    for caller, refusal, looking in ((AT_BAKERY, Forbidden, 0), (ANYONE, Unauthenticated, 0), (viewer, Forbidden, 2)):
        calls = managing(tenant_auth, caller, eve.id)
        for allowed in calls[:looking]:
            await allowed
        for refused in (*calls[looking:], tenant_auth.create_user(caller, NewUser("new@example.com"))):
            with pytest.raises(refusal):
                await refused

    for refusal, caller in ((Forbidden, AT_BAKERY), (Unauthenticated, ANYONE)):
        with pytest.raises(refusal):
            await tenant_auth.users(caller, EVERYONE, 1, None)
    assert len((await tenant_auth.users(viewer, EVERYONE, 2, None)).items) == 1
    for allowed in managing(tenant_auth, developer, eve.id):
        await allowed


async def test_a_project_cannot_manage_users_of_another_project(tenant_auth: TenantAuthService) -> None:
    new = await signed_up(tenant_auth)

    for call in managing(tenant_auth, ELSEWHERE, new.user.id):
        with pytest.raises(UserNotFound):
            await call

    assert not (await tenant_auth.users(ELSEWHERE, UserFilter(email="eve@example.com"), 10, None)).items
    assert (await tenant_auth.refresh(AT_BAKERY, new.refresh_token)).user == new.user


async def test_an_email_address_belongs_to_one_user(tenant_auth: TenantAuthService) -> None:
    made = [await tenant_auth.create_user(SERVER, NewUser(f"user{number}@example.com")) for number in range(4)]

    with pytest.raises(EmailTaken):
        await tenant_auth.create_user(SERVER, NewUser("USER0@example.com"))
    with pytest.raises(EmailTaken):
        await tenant_auth.update_user(SERVER, made[1].id, UserChanges(email="user0@example.com", role="admin"))
    moved = await asyncio.gather(
        *(tenant_auth.update_user(SERVER, user.id, UserChanges(email="new@example.com")) for user in made),
        return_exceptions=True,
    )

    assert (await tenant_auth.user(SERVER, made[1].id)).role == "user"  # A change is applied as a whole or not at all.
    assert Counter(type(answer) for answer in moved) == {ManagedUser: 1, EmailTaken: 3}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"email": "no address"}, "/email"),
        ({"password": "short"}, "/password"),
        ({"role": "not a role"}, "/role"),
        ({"role": ""}, "/role"),
        ({"claims": {"sub": "usr_admin"}}, "/claims"),
        ({"claims": {"text": "é" * 510}}, "/claims"),
        ({"claims": {f"claim{number}": 1 for number in range(33)}}, "/claims"),
        ({"data": {"text": "x" * (16 << 10)}}, "/data"),
    ],
)
async def test_an_invalid_field_of_a_user_is_refused_with_its_name(
    tenant_auth: TenantAuthService, fields: dict[str, Any], path: str
) -> None:
    made = await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))

    for call in (
        tenant_auth.create_user(SERVER, NewUser(**{"email": "new@example.com"} | fields)),
        tenant_auth.update_user(SERVER, made.id, UserChanges(**fields)),
    ):
        with pytest.raises(InvalidInput) as refused:
            await call
        assert refused.value.extra["errors"][0]["path"] == path

    assert (await tenant_auth.users(SERVER, EVERYONE, 10, None)).items == (made,)


async def test_a_project_whose_key_is_destroyed_gets_no_users(tenant_auth: TenantAuthService, kms: FakeKms) -> None:
    await signed_up(tenant_auth)
    await kms.destroy(BAKERY)

    with pytest.raises(KeyDestroyed):
        await tenant_auth.create_user(SERVER, NewUser("late@example.com"))


async def test_a_key_destroyed_during_the_hashing_of_a_password_prevents_the_new_user(
    tenant_auth: TenantAuthService, kms: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tenant_auth.pools.passwords
    hash_at_once = passwords.hash

    async def slowly(pool: str, password: str) -> str:
        await kms.destroy(BAKERY)
        return await hash_at_once(pool, password)

    monkeypatch.setattr(passwords, "hash", slowly)

    with pytest.raises(KeyDestroyed):
        await tenant_auth.create_user(SERVER, NewUser("late@example.com", PASSWORD))


async def _claims(room: TenantAuthService, clock: ManualClock, token: str) -> dict[str, Any]:
    return await claims_of(room, BAKERY, token, lambda: clock.now().timestamp())


async def test_a_phone_number_and_a_name_are_set_found_and_removed(tenant_auth: TenantAuthService) -> None:
    made = await tenant_auth.create_user(SERVER, NewUser(phone="+49 176 12345678", name="Eve", phone_verified=True))
    for only in (UserFilter(phone=" 49 17612345678"), UserFilter(q="+4917612345678")):
        assert (await tenant_auth.users(SERVER, only, 10, None)).items == (made,)
    with pytest.raises(PhoneTaken):
        await tenant_auth.create_user(SERVER, NewUser(phone="+4917612345678"))
    for wrong in (
        NewUser(),
        NewUser(phone="12"),
        NewUser("eve@example.com", name="a\0"),
        NewUser("eve@example.com", language="?"),
    ):
        with pytest.raises(InvalidInput):
            await tenant_auth.create_user(SERVER, wrong)
    other = await tenant_auth.update_user(SERVER, made.id, UserChanges(phone="+4917612345679", name="Zoë"))
    none = await tenant_auth.update_user(SERVER, made.id, UserChanges(phone=None, phone_verified=True))

    assert (made.email, made.phone, made.phone_verified, made.name) == (None, "+4917612345678", True, "Eve")
    assert (other.phone, other.phone_verified, other.name) == ("+4917612345679", False, "Zoë")
    assert (none.phone, none.phone_verified) == (None, False)
