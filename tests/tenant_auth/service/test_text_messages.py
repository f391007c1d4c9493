from __future__ import annotations

import asyncio

import pytest

from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.service.text_messages import TOGETHER
from bunbase.tenant_auth.text_messages import TextMessage
from tests.pkg.waiting import until_true
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, change_settings
from tests.tenant_auth.phones import PHONE, PHONES_ON, FakeSender, deploy_sms, phones_on, settle


async def test_a_message_that_fails_is_tried_three_times(
    tenant_auth: TenantAuthService, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    sender = await phones_on(tenant_auth)
    sender.failures[BAKERY] = 2
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await settle(tenant_auth)
    for _ in range(2):
        assert sender.sent == []
        clock.advance(30)
        await tenant_auth.texts.send_due()
        await settle(tenant_auth)
    [message] = sender.to(PHONE)
    assert (await tenant_auth.login_with_phone(AT_BAKERY, PHONE, message.code)).user.phone == PHONE

    sender.failures[BAKERY] = 100  # A hook that answers too late may have sent the message, and messages cost money.
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await settle(tenant_auth)
    for _ in range(6):
        clock.advance(30)
        await tenant_auth.texts.send_due()
        await settle(tenant_auth)
    assert sender.failures[BAKERY] == 97
    rows = "SELECT string_agg(state || reason || sealed, ' ' ORDER BY id) FROM text_messages"
    assert await tenant_auth.stores.db.value(rows) == "sent deadhook_failed"
    assert message.code not in caplog.text
    clock.advance(90_000)
    await tenant_auth.texts.forget()
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM text_messages") == 0


async def test_a_waiting_code_is_sealed_and_two_processes_send_it_once(tenant_auth: TenantAuthService) -> None:
    stored: list[str] = []

    class Looking(FakeSender):
        async def send_sms(self, project: str, message: TextMessage) -> None:
            stored.append(await tenant_auth.stores.db.value("SELECT string_agg(t::text, ' ') FROM text_messages AS t"))
            await super().send_sms(project, message)

    tenant_auth.texts.sender = Looking()
    sender = await phones_on(tenant_auth)
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "")
    await asyncio.gather(*(tenant_auth.texts.send_due() for _ in range(4)))
    await settle(tenant_auth)

    [message] = sender.to(PHONE)
    assert message.code not in stored[0]


async def test_a_slow_hook_of_one_project_delays_no_other(tenant_auth: TenantAuthService) -> None:
    free = asyncio.Event()
    waiting: list[str] = []

    class Slow(FakeSender):
        async def send_sms(self, project: str, message: TextMessage) -> None:
            if project == BAKERY:
                waiting.append(message.phone)
                await free.wait()
            await super().send_sms(project, message)

    tenant_auth.texts.sender = sender = Slow()
    await phones_on(tenant_auth)
    await phones_on(tenant_auth, LIBRARY)
    for last in range(5):
        await tenant_auth.request_phone_code(AT_BAKERY, f"+4917012345{last}0", "")
    await tenant_auth.request_phone_code(AT_LIBRARY, PHONE, "")

    async def library_has_it() -> bool:
        return bool(sender.to(PHONE, LIBRARY))

    await until_true(library_has_it)
    at_once = len(waiting)
    free.set()
    await settle(tenant_auth)

    assert at_once <= TOGETHER
    assert len(sender.sent) == 6


async def test_the_hook_of_the_project_gets_the_message(tenant_auth: TenantAuthService) -> None:
    events = deploy_sms(tenant_auth)
    await change_settings(tenant_auth, **PHONES_ON)
    await tenant_auth.request_phone_code(AT_BAKERY, PHONE, "de")
    await settle(tenant_auth)

    [event] = events
    code = event["message"]["code"]
    assert event["message"] | {"code": ""} == {
        "phone": PHONE, "code": "", "kind": "sign_in", "language": "de", "app_name": "this app",
    }  # fmt: skip
    assert (await tenant_auth.login_with_phone(AT_BAKERY, PHONE, code)).user.phone == PHONE
