"""The activity of an account, as its owner and the audit log of the installation see it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.bunauth.jobs import activity_jobs
from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.store.activity import UNAUDITED
from bunbase.bunauth.store.known_devices import MAX_DEVICES
from bunbase.contracts.bunauth.activity import Activity, ActivityEntry, ActivityMethod, ActivityOutcome
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.problems import InvalidCredentials, TokenReused, WrongCode, WrongProof
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.activity_slots import MAX_REFUSED
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.factors import challenged, with_passkey, with_totp
from tests.bunauth.mailbox import kinds, link, mails
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

ADA, BOB = "ada@example.com", "bob@example.com"
NEW = "another horse battery"
PHONE = msgspec.structs.replace(ANYONE, ip="203.0.113.7", agent="Phone/1.2")


@pytest_asyncio.fixture
async def ada(bunauth: BunAuthService) -> Caller:
    """Return the first account, which administrates the installation."""
    return await caller_with(bunauth, (await registered(bunauth)).access_token)


async def listed(bunauth: BunAuthService, caller: Caller) -> list[ActivityEntry]:
    """Return the activity without the registration, oldest first."""
    page = await bunauth.activity(caller, 500, None)
    return list(page.items[-2::-1])


async def shown(bunauth: BunAuthService, caller: Caller) -> list[tuple[str, str, str]]:
    return [
        (one.action, one.method.value if one.method else "", one.outcome.value) for one in await listed(bunauth, caller)
    ]


async def refuse(bunauth: BunAuthService, email: str, by: Caller = ANYONE) -> None:
    with pytest.raises(InvalidCredentials):
        await bunauth.login(by, email, "wrong horse battery")


async def test_the_owner_sees_each_sign_in_with_its_method(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    await bunauth.login(PHONE, ADA, PASSWORD)
    await bunauth.login(msgspec.structs.replace(ANYONE, rpc=True), ADA, PASSWORD)
    authenticator, _ = await with_passkey(bunauth, ada)
    options = await bunauth.passkey_login_options(None)
    await bunauth.login_with_passkey(ANYONE, authenticator.get(options.public_key))
    device = await bunauth.start_device_login(PHONE, "laptop")
    await bunauth.decide_device_login(ada, device.user_code, True)
    await bunauth.poll_device_login(PHONE, device.device_code)
    phone, codes = await with_totp(bunauth, ada, clock)
    challenge = await challenged(bunauth)
    with pytest.raises(WrongCode):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(phone.wrong_code()))
    await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(phone.code()))
    await bunauth.login_with_second_factor(ANYONE, await challenged(bunauth), SecondFactor(codes[0]))

    seen = await listed(bunauth, ada)

    signed_in = [
        (one.method.value if one.method else "", one.outcome.value)
        for one in seen
        if one.action == Activity.SIGN_IN and one.outcome is not ActivityOutcome.REFUSED
    ]
    assert signed_in == [
        ("password", "done"),
        ("json_rpc", "done"),
        ("passkey", "done"),
        ("device", "done"),
        ("password", "challenged"),
        ("totp", "done"),
        ("recovery_code", "done"),
    ]
    assert (seen[0].ip, seen[0].agent, seen[0].at < seen[-1].at) == (PHONE.ip, PHONE.agent, True)
    assert [one.method for one in seen if one.outcome is ActivityOutcome.REFUSED] == [ActivityMethod.TOTP]
    changes = [(one.action, one.target) for one in seen if one.action != Activity.SIGN_IN]
    assert changes == [("passkey.create", "laptop"), ("device.approve", "laptop"), ("totp.confirm", "")]


async def test_the_owner_sees_changes_and_the_ends_of_sessions(bunauth: BunAuthService, ada: Caller) -> None:
    other = await bunauth.login(ANYONE, ADA, PASSWORD)
    fresh = await bunauth.refresh(ANYONE, other.refresh_token)
    await bunauth.stores.db.execute("UPDATE refresh_tokens SET child_used_at = '2000-01-01', used_at = '2000-01-01'")
    with pytest.raises(TokenReused):
        await bunauth.refresh(PHONE, other.refresh_token)
    assert not (await bunauth.verify(fresh.access_token)).valid
    await bunauth.change_password(ada, NEW, PASSWORD)
    with pytest.raises(WrongProof):
        await bunauth.change_password(ada, PASSWORD, PASSWORD)
    token = await bunauth.create_token(ada, "ci", ("read",), None)
    await bunauth.delete_token(ada, token.id)
    await bunauth.request_password_reset(ADA)
    await bunauth.reset_password(PHONE, await link(bunauth, ADA, "reset-password"), PASSWORD)
    by_rpc = await caller_with(bunauth, (await bunauth.login(ANYONE, ADA, PASSWORD)).access_token)
    await bunauth.logout(msgspec.structs.replace(by_rpc, rpc=True))
    again = await caller_with(bunauth, (await bunauth.login(ANYONE, ADA, PASSWORD)).access_token)
    await bunauth.end_sessions(again, keep_current=True)

    seen = [one for one in await shown(bunauth, again) if one[0] != Activity.SIGN_IN]

    assert Counter(seen) == Counter(
        [
            ("session.end", "token_reused", "done"),
            ("account.change_password", "", "done"),
            ("account.reauthenticate", "password", "refused"),
            ("token.create", "", "done"),
            ("token.delete", "", "done"),
            ("account.reset_password", "", "done"),
            ("account.sign_out", "json_rpc", "done"),
            ("session.end", "", "done"),
        ]
    )


async def test_each_act_with_the_link_of_a_mail_has_an_entry(bunauth: BunAuthService, ada: Caller) -> None:
    await bunauth.verify_email(PHONE, await link(bunauth, ADA, "verify-email"))
    await bunauth.request_email_change(ada, "ada@new.example")
    for address in ("ada@new.example", ADA):
        await bunauth.confirm_email_change(PHONE, await link(bunauth, address, "change-email"))

    assert [(one.action, one.ip) for one in await listed(bunauth, ada)] == [
        ("account.verify_email", PHONE.ip),
        ("account.agree_email", PHONE.ip),
        ("account.confirm_email", PHONE.ip),
    ]


async def test_refused_sign_ins_of_an_hour_are_counted_and_only_for_known_accounts(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    for by in (ANYONE, ANYONE, PHONE):
        await refuse(bunauth, ADA, by)
        clock.advance(1)
    await refuse(bunauth, "nobody@example.com")

    refused = await listed(bunauth, ada)

    assert [(one.count, one.ip, one.method) for one in refused] == [
        (2, ANYONE.ip, ActivityMethod.PASSWORD),
        (1, PHONE.ip, ActivityMethod.PASSWORD),
    ]
    assert [one.last_at is None for one in refused] == [False, True]
    assert await bunauth.stores.db.value("SELECT count(*) FROM activity WHERE outcome = 'refused'") == 2


async def test_a_refused_sign_in_and_a_look_at_ones_own_activity_run_the_same_statements_for_all_addresses(
    bunauth: BunAuthService, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = await caller_with(bunauth, (await registered(bunauth, BOB)).access_token)
    ran: list[tuple[Any, str]] = []
    for name in ("one", "value", "execute"):
        real = getattr(Database, name)

        async def recorded(self: Database, *args: Any, real: Any = real) -> Any:
            ran.append((asyncio.current_task(), next(one for one in args if isinstance(one, str))))
            return await real(self, *args)

        monkeypatch.setattr(Database, name, recorded)

    async def statements(email: str) -> list[str]:
        ran.clear()
        await refuse(bunauth, email)
        await bunauth.activity(bob, 1, None)  # this stores the waiting entries, but only Bob's
        return [sql for task, sql in ran if task is asyncio.current_task()]

    assert await statements(ADA) == await statements("nobody@example.com")


async def test_a_flood_of_refused_sign_ins_adds_few_rows_and_hides_no_sign_in(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    activity = bunauth.account_activity
    for n in range(90):
        by = msgspec.structs.replace(ANYONE, ip=f"198.51.100.{n}")
        activity.note_refused(by, ada.signed_in().id, Activity.SIGN_IN, ActivityMethod.PASSWORD)
        if n % 30 == 29:
            await activity.store_refused()
    await bunauth.login(PHONE, ADA, PASSWORD)

    seen = await listed(bunauth, ada)

    assert len(seen) == MAX_REFUSED + 2
    assert sum(one.count for one in seen if one.outcome is ActivityOutcome.REFUSED) == 90
    assert (seen[-1].ip, seen[-1].outcome) == (PHONE.ip, ActivityOutcome.DONE)
    clock.advance(3600)
    await refuse(bunauth, ADA)
    assert (await listed(bunauth, ada))[-1].ip == ANYONE.ip  # In a new hour, the limit begins anew.


async def test_refused_sign_ins_are_stored_after_an_outage_of_the_database(
    bunauth: BunAuthService, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ConnectionError

    await refuse(bunauth, ADA)
    with monkeypatch.context() as patch:
        patch.setattr(bunauth.stores.activity, "add", broken)
        bunauth.account_activity.note_refused(PHONE, ada.signed_in().id, Activity.SIGN_IN, None)
        with pytest.raises(ConnectionError):
            await bunauth.account_activity.store_refused()

    assert sum(one.count for one in await listed(bunauth, ada)) == 2


async def test_pages_show_the_own_activity_and_old_entries_are_deleted(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    bob = await caller_with(bunauth, (await registered(bunauth, BOB)).access_token)
    for _ in range(2):
        await bunauth.login(ANYONE, ADA, PASSWORD)

    first = await bunauth.activity(ada, 2, None)
    second = await bunauth.activity(ada, 2, first.next)

    assert (len(first.items), len(second.items), second.next) == (2, 1, None)
    assert len((await bunauth.activity(bob, 20, None)).items) == 1
    with pytest.raises(InvalidCursor):
        await bunauth.activity(bob, 2, first.next)

    await bunauth.activity_audited(tuple(one.entry.id for one in await bunauth.unaudited_activity()))
    await bunauth.delete_account(bob)
    assert await bunauth.stores.db.value("SELECT count(DISTINCT user_id) FROM activity") == 1
    clock.advance(90 * 86400 + 1)
    await activity_jobs(bunauth.account_activity, BunAuthSettings(), clock)[1].work()
    assert await bunauth.stores.db.value("SELECT count(*) FROM activity") == 0


async def test_the_audit_log_needs_what_the_gateway_does_not_see(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    bob = await caller_with(bunauth, (await registered(bunauth, BOB)).access_token)
    await refuse(bunauth, ADA, PHONE)
    await refuse(bunauth, BOB, PHONE)
    device = await bunauth.start_device_login(PHONE, "laptop")
    await bunauth.decide_device_login_by_password(ANYONE, device.user_code, BOB, PASSWORD, approve=False)
    await bunauth.change_password(bob, NEW, PASSWORD)  # the gateway has an entry for this
    await bunauth.delete_account(bob)

    def acts(found: Any) -> list[tuple[str, str, str]]:
        return [(one.entry.action, one.email, one.entry.outcome.value) for one in found]

    async def needed() -> list[tuple[str, str, str]]:
        found = await bunauth.unaudited_activity()
        assert found == await bunauth.unaudited_activity()
        await bunauth.activity_audited(tuple(one.entry.id for one in found))
        return acts(found)

    await bunauth.activity(ada, 1, None)  # this stores the refused sign-ins
    assert await needed() == [("account.sign_in", ADA, "done"), ("device.deny", BOB, "done")]
    assert await needed() == []
    clock.advance(3700)
    assert await needed() == [("account.sign_in", ADA, "refused")]
    assert await bunauth.stores.db.value("SELECT count(*) FROM activity WHERE email = $1", BOB) == 0


WAITING = """
INSERT INTO activity SELECT 'acv_' || n, $1, NULL, $2, $2, 'account.sign_in', '', '', 'refused', '', '', 1, $2,
    n::text, true
FROM generate_series(1, 2000) AS n"""


async def test_refused_attempts_of_the_hour_that_is_open_are_not_read_again_and_again(
    bunauth: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    db, now = bunauth.stores.db, clock.now()
    await db.execute(WAITING, ada.signed_in().id, now)
    await db.execute("ANALYZE activity")

    plan: str = await db.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {UNAUDITED}", now, 500)

    assert "activity_unaudited" in str(plan)
    assert "Removed by Filter" not in str(plan)


async def test_the_owner_gets_one_mail_about_each_new_device(bunauth: BunAuthService, ada: Caller) -> None:
    updated = msgspec.structs.replace(PHONE, ip="203.0.113.200", agent="Phone/1.3")  # the same program and network
    for by in (ANYONE, PHONE, updated, PHONE):
        await bunauth.login(by, ADA, PASSWORD)

    assert (await kinds(bunauth, ADA)).count("new_sign_in") == 1
    (mail,) = [one for one in await mails(bunauth, ADA) if "New sign-in" in one.subject]
    assert all(text in mail.text for text in (PHONE.ip, "Phone/1", "UTC"))

    await bunauth.login(msgspec.structs.replace(PHONE, ip="192.0.2.1"), ADA, PASSWORD)
    await asyncio.gather(*(bunauth.login(msgspec.structs.replace(PHONE, agent=""), ADA, PASSWORD) for _ in range(2)))
    assert (await kinds(bunauth, ADA)).count("new_sign_in") == 3
    many = "INSERT INTO known_devices SELECT $1, n::text::bytea, now() FROM generate_series(1, $2::int) AS n"
    await bunauth.stores.db.execute(many, ada.signed_in().id, MAX_DEVICES)
    await bunauth.login(msgspec.structs.replace(PHONE, ip="192.0.2.200", agent="Tablet"), ADA, PASSWORD)
    assert await bunauth.stores.db.value("SELECT count(*) FROM known_devices") == MAX_DEVICES

    # The account now looks like an account that was idle for a year.
    await bunauth.stores.db.execute("DELETE FROM known_devices")
    await bunauth.login(PHONE, ADA, PASSWORD)
    assert (await kinds(bunauth, ADA)).count("new_sign_in") == 5


@pytest_asyncio.fixture
async def silent(rooms: Rooms, here: Site) -> AsyncIterator[BunAuthService]:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(sign_in_notices=False)) as service:
        yield service


async def test_a_setting_turns_mails_about_new_devices_off(silent: BunAuthService) -> None:
    await registered(silent)
    await silent.login(PHONE, ADA, PASSWORD)

    assert await kinds(silent, ADA) == ["verify_email"]
