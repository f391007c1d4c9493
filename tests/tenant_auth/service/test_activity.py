"""The activity of a user, as the user and the administrators of the project see it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, TokenReused, WrongCode, WrongProof
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import (
    ActedBy,
    ActivityFilter,
    ManagedActivityEntry,
    UserAct,
    UserActivityEntry,
    UserActOutcome,
)
from bunbase.contracts.tenant_auth.bulk import BulkAction, BulkChange
from bunbase.contracts.tenant_auth.impersonation import NewImpersonation
from bunbase.contracts.tenant_auth.problems import InvalidCode, UserNotFound
from bunbase.contracts.tenant_auth.transfers import ImportChoices
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.activity_slots import MAX_DONE, MAX_REFUSED
from bunbase.pkg.identity.factors import Proof, SecondFactor
from bunbase.pkg.ndjson import ImportLine
from bunbase.tenant_auth.jobs import activity_jobs
from bunbase.tenant_auth.journal import SYSTEM, Event
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.factors import challenged, user_of, with_totp
from tests.tenant_auth.mailbox import kinds
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    change_settings,
    signed_up,
    without_password,
)

EVE: Final = "eve@example.com"
SERVER: Final = msgspec.structs.replace(secret_caller(BAKERY), key="key_server")
ADA: Final = msgspec.structs.replace(member_caller(BAKERY), ip="192.0.2.77", agent="Admin/1")
PHONE: Final = msgspec.structs.replace(AT_BAKERY, ip="203.0.113.7", agent="Phone/1.2")


async def own(room: TenantAuthService, user: Caller) -> list[UserActivityEntry]:
    """Return the user's activity, oldest first."""
    return list((await room.own_user_activity(user, 500, None)).items[::-1])


async def of(room: TenantAuthService, uid: str) -> list[ManagedActivityEntry]:
    """Return the activity of a user as a server sees it, oldest first."""
    return list((await room.user_activity(SERVER, uid, 500, None)).items[::-1])


def short(entries: list[Any]) -> list[tuple[str, str]]:
    return [(one.action, one.method or one.target) for one in entries]


async def refuse(room: TenantAuthService, email: str, by: Caller = AT_BAKERY) -> None:
    with pytest.raises(InvalidCredentials):
        await room.login(by, email, "wrong horse battery")


async def signs_in(room: TenantAuthService, uid: str, by: Caller = AT_BAKERY) -> None:
    await room.login_with_custom_token(by, (await room.custom_token(SERVER, uid, {})).token)


async def test_a_user_sees_each_sign_in_and_each_change_of_the_credentials(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await user_of(tenant_auth, await signed_up(tenant_auth, PHONE), clock, PHONE)
    phone, codes = await with_totp(tenant_auth, eve, clock)
    challenge = await challenged(tenant_auth)
    with pytest.raises(WrongCode):
        await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(phone.wrong_code()))
    await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(phone.code()))
    await tenant_auth.login_with_second_factor(AT_BAKERY, await challenged(tenant_auth), SecondFactor(codes[0]))
    with pytest.raises(WrongProof):
        await tenant_auth.reauthenticate(eve, Proof(code=phone.wrong_code()))
    clock.advance(30)
    await tenant_auth.reauthenticate(eve, Proof(code=phone.code()))
    await tenant_auth.change_user_password(eve, "another horse battery", None)
    await tenant_auth.remove_totp(eve)
    await tenant_auth.end_own_sessions(eve, keep_current=False)

    seen = await own(tenant_auth, eve)

    done = [one for one in seen if one.outcome is not UserActOutcome.REFUSED]
    assert short(done) == [
        ("user.sign_up", "password"),
        ("totp.confirm", ""),
        ("user.sign_in", "password"),
        ("user.sign_in", "password"),
        ("user.sign_in", "password"),
        ("recovery_code.use", ""),
        ("user.sign_in", "password"),
        ("user.reauthenticate", "code"),
        ("password.change", ""),
        ("totp.delete", ""),
        ("session.end", ""),
    ]
    assert [one.outcome.value for one in done[2:5]] == ["challenged", "done", "challenged"]
    assert (done[3].amr, done[3].new_device, done[6].new_device) == (("pwd", "otp", "mfa"), True, False)
    assert (done[0].ip, done[0].agent, done[0].session) == (PHONE.ip, PHONE.agent, eve.end_user().session)
    assert {one.by for one in done} == {ActedBy.USER}
    refused = [one for one in seen if one.outcome is UserActOutcome.REFUSED]
    assert sorted(short(refused)) == [("user.reauthenticate", "code"), ("user.sign_in", "password")]
    assert {one.by for one in refused} == {ActedBy.UNKNOWN}


async def test_acts_of_administrators_name_them_to_administrators_and_not_to_the_user(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    made = await tenant_auth.create_user(SERVER, NewUser(EVE))
    await tenant_auth.update_user(ADA, made.id, UserChanges(email="eva@example.com", email_verified=True))
    await tenant_auth.update_user(ADA, made.id, UserChanges(role="baker"))
    await tenant_auth.change_users(ADA, BulkChange(BulkAction.BAN, (made.id,)))
    await tenant_auth.change_users(ADA, BulkChange(BulkAction.UNBAN, (made.id,)))
    await tenant_auth.change_users(ADA, BulkChange(BulkAction.SIGN_OUT, (made.id,)))
    await tenant_auth.end_user_sessions(ADA, made.id)
    opened = await tenant_auth.impersonate_user(ADA, made.id, NewImpersonation())
    eve = await without_password(tenant_auth, "other@example.com", clock)
    await tenant_auth.impersonate_user(ADA, eve.end_user().uid, NewImpersonation())

    seen = await of(tenant_auth, made.id)

    assert [one.action for one in seen] == [
        "user.create",
        "email.change",
        "user.ban",
        "user.unban",
        "session.end",
        "session.end",
        "user.impersonate",
    ]
    assert (seen[0].by, seen[0].actor) == (ActedBy.KEY, "key_server")
    assert {(one.by, one.actor, one.ip) for one in seen[1:]} == {(ActedBy.MEMBER, "usr_ada", ADA.ip)}
    assert seen[-1].session == opened.session
    shown = (await own(tenant_auth, eve))[-1]
    assert (shown.action, shown.by, shown.ip, shown.agent) == ("user.impersonate", ActedBy.MEMBER, "", "")
    assert b"usr_ada" not in msgspec.json.encode(shown)


async def test_a_deletion_leaves_one_entry_that_says_nothing_about_the_person(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    eve = await without_password(tenant_auth, EVE, clock, PHONE)
    bob = await tenant_auth.create_user(SERVER, NewUser("bob@example.com"))
    await tenant_auth.delete_me(eve)
    await tenant_auth.delete_user(ADA, bob.id)
    tenant_auth.pools.journal.refuse(PHONE, bob.id, UserAct.SIGN_IN, "password")

    [left], [deleted] = await of(tenant_auth, eve.end_user().uid), await of(tenant_auth, bob.id)

    assert (left.action, left.by, left.ip, left.agent, left.session) == ("user.delete", ActedBy.USER, "", "", "")
    assert (deleted.action, deleted.actor) == ("user.delete", "usr_ada")
    with pytest.raises(UserNotFound):
        await tenant_auth.user_activity(SERVER, "usr_never", 10, None)


async def test_an_import_and_stolen_tokens_have_entries(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    lines = tuple(ImportLine(n, b'{"email": "u%d@example.com"}' % n) for n in range(1, 4))
    await tenant_auth.import_users(SERVER, ImportChoices(), lines)
    first = await signed_up(tenant_auth)
    await tenant_auth.refresh(AT_BAKERY, first.refresh_token)
    await tenant_auth.stores.db.execute(
        "UPDATE refresh_tokens SET child_used_at = '2000-01-01', used_at = '2000-01-01'"
    )
    with pytest.raises(TokenReused):
        await tenant_auth.refresh(PHONE, first.refresh_token)

    found = await tenant_auth.project_user_activity(ADA, ActivityFilter(action=UserAct.IMPORT), 10, None)

    assert len({one.user for one in found.items}) == len(found.items) == 3
    assert [(one.action, one.method, one.by) for one in await of(tenant_auth, first.user.id)] == [
        ("user.sign_up", "password", ActedBy.USER),
        ("session.end", "token_reused", ActedBy.SYSTEM),
    ]


async def test_a_refused_sign_in_and_a_look_at_ones_own_activity_run_the_same_statements_for_all_addresses(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = await without_password(tenant_auth, "mallory@example.com", clock)
    known = await tenant_auth.create_user(SERVER, NewUser(EVE, "correct horse battery"))
    ran: list[tuple[Any, str]] = []
    for name in ("one", "value", "execute"):
        real = getattr(Database, name)

        async def recorded(self: Database, *args: Any, real: Any = real) -> Any:
            ran.append((asyncio.current_task(), next(one for one in args if isinstance(one, str))))
            return await real(self, *args)

        monkeypatch.setattr(Database, name, recorded)

    async def statements(email: str) -> list[str]:
        ran.clear()
        await refuse(tenant_auth, email)
        with pytest.raises(InvalidCode):
            await tenant_auth.login_with_code(AT_BAKERY, email, "123456")
        # This request stores what waits, but only for the stranger.
        await tenant_auth.own_user_activity(stranger, 1, None)
        own = [sql for task, sql in ran if task is asyncio.current_task()]
        # The settings are cached, and read again after a change.
        return [sql for sql in own if "FROM auth_settings" not in sql]

    assert await statements(EVE) == await statements("nobody@example.com")
    refused = await of(tenant_auth, known.id)
    assert sorted(short(refused[1:])) == [("user.sign_in", "email_code"), ("user.sign_in", "password")]


async def test_a_flood_of_attempts_adds_few_rows_and_hides_no_sign_in(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    uid = (await tenant_auth.create_user(SERVER, NewUser(EVE))).id
    journal = tenant_auth.pools.journal
    for n in range(90):
        by = msgspec.structs.replace(AT_BAKERY, ip=f"198.51.100.{n}")
        journal.refuse(by, uid, UserAct.SIGN_IN, "password")
        if n % 30 == 29:
            await journal.store_refused()
    await signs_in(tenant_auth, uid, PHONE)

    seen = await of(tenant_auth, uid)

    refused = [one for one in seen if one.outcome is UserActOutcome.REFUSED]
    assert (len(refused), sum(one.count for one in refused)) == (MAX_REFUSED + 1, 90)
    assert (seen[-1].ip, seen[-1].new_device) == (PHONE.ip, True)
    for _ in range(MAX_DONE):
        await journal.add(BAKERY, uid, Event(UserAct.PASSKEY_DELETE), SYSTEM)
    assert len(await of(tenant_auth, uid)) == MAX_REFUSED + 1 + MAX_DONE + 1
    clock.advance(3600)
    await signs_in(tenant_auth, uid, PHONE)
    assert (await of(tenant_auth, uid))[-1].ip == PHONE.ip  # In a new hour, the limit counts from zero.


async def test_a_sign_in_from_a_new_device_sends_a_mail_only_if_the_project_wants_it(
    tenant_auth: TenantAuthService,
) -> None:
    uid = (await tenant_auth.create_user(SERVER, NewUser(EVE, email_verified=True))).id
    await signs_in(tenant_auth, uid)
    assert await kinds(tenant_auth, EVE) == []
    await change_settings(tenant_auth, mail={"new_device": True})
    newer = msgspec.structs.replace(PHONE, agent="Phone/1.3", ip="203.0.113.8")
    for by in (AT_BAKERY, PHONE, newer, PHONE):
        await signs_in(tenant_auth, uid, by)

    assert await kinds(tenant_auth, EVE) == ["new_sign_in"]
    assert [one.new_device for one in (await of(tenant_auth, uid))[1:]] == [True, False, True, False, False]
    for _ in range(MAX_DONE):  # Somebody who knows the password uses up the limit of the hour.
        await tenant_auth.pools.journal.add(BAKERY, uid, Event(UserAct.SIGN_IN), SYSTEM)
    for by in (PHONE, msgspec.structs.replace(PHONE, ip="198.51.100.7")):
        await signs_in(tenant_auth, uid, by)
    assert await kinds(tenant_auth, EVE) == ["new_sign_in", "new_sign_in"]


async def test_pages_filters_and_other_projects(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    eve = await without_password(tenant_auth, EVE, clock)
    await without_password(tenant_auth, EVE, clock, AT_LIBRARY)
    clock.advance(60)
    since = clock.now()
    await signs_in(tenant_auth, eve.end_user().uid, PHONE)

    async def found(**only: Any) -> list[str]:
        page = await tenant_auth.project_user_activity(ADA, ActivityFilter(**only), 10, None)
        return [one.action for one in page.items]

    assert await found() == ["user.sign_in", "user.sign_in", "user.create"]
    assert await found(since=since) == ["user.sign_in"]
    assert await found(until=since, action=UserAct.CREATE, user=eve.end_user().uid) == ["user.create"]
    assert await found(outcome=UserActOutcome.REFUSED) == []
    first = await tenant_auth.project_user_activity(ADA, ActivityFilter(), 2, None)
    rest = await tenant_auth.project_user_activity(ADA, ActivityFilter(), 2, first.next)
    assert [one.action for one in rest.items] == ["user.create"]
    with pytest.raises(InvalidCursor):
        await tenant_auth.own_user_activity(eve, 2, first.next)


async def test_old_entries_are_deleted_after_the_time_of_the_installation_or_of_the_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    for caller in (AT_BAKERY, AT_LIBRARY):
        await without_password(tenant_auth, EVE, clock, caller)
    await change_settings(tenant_auth, activity_days=7)
    _, delete_old = activity_jobs(tenant_auth.pools.journal, TenantAuthSettings())

    async def left() -> list[int]:
        await delete_old.work()
        query = "SELECT count(*) FROM activity WHERE project = $1"
        return [await tenant_auth.stores.db.value(query, project) for project in (BAKERY, LIBRARY)]

    clock.advance(6 * 86_400)
    assert await left() == [2, 2]
    clock.advance(2 * 86_400)
    assert await left() == [0, 2]
    clock.advance(83 * 86_400)
    assert await left() == [0, 0]
