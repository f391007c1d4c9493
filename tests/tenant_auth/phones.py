"""A project whose users sign in by phone, and a sender that records text messages."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any, Final

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import HookFailed
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.service.text_messages import CLAIM_SECONDS
from bunbase.tenant_auth.text_messages import TextMessage
from tests.pkg.waiting import until_true
from tests.tenant_auth.hooking import FakeFunctions
from tests.tenant_auth.people import AT_BAKERY, BAKERY, change_settings

PHONE: Final = "+491701234567"
OTHER_PHONE: Final = "+491707654321"
PHONES_ON: Final[dict[str, Any]] = {"hooks": {"send_sms": "sms"}, "phone": {"countries": ["DE"]}}


class FakeSender:
    """A sender that keeps the messages. `failures` has, by project, how many of the next messages fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, TextMessage]] = []
        self.failures: Counter[str] = Counter()

    async def send_sms(self, project: str, message: TextMessage) -> None:
        if self.failures[project] > 0:
            self.failures[project] -= 1
            raise HookFailed("no answer", hook="send_sms")
        self.sent.append((project, message))

    def to(self, phone: str, project: str = BAKERY) -> list[TextMessage]:
        return [message for owner, message in self.sent if owner == project and message.phone == phone]


async def phones_on(room: TenantAuthService, project: str = BAKERY, **more: object) -> FakeSender:
    """Turn sign-in by phone on, and return the sender that replaces the hook."""
    sender = room.texts.sender
    if not isinstance(sender, FakeSender):
        room.texts.sender = sender = FakeSender()
    deploy_sms(room, project)
    await change_settings(room, project, **{**PHONES_ON, **more})
    return sender


def deploy_sms(room: Any, project: str = BAKERY) -> list[dict[str, Any]]:
    """Deploy a function with the hook `send_sms`, and return the list of the events that it gets."""
    if not isinstance(room.hooks.functions, FakeFunctions):
        room.hooks.functions = FakeFunctions()
    events: list[dict[str, Any]] = []
    room.hooks.functions.deploy(project, "sms", send_sms=events.append)
    return events


async def settle(room: TenantAuthService) -> None:
    """Wait until all requests are answered and no message is due."""
    settled = (
        "SELECT NOT EXISTS (SELECT FROM mail_requests) AND NOT EXISTS (SELECT FROM text_messages "
        "WHERE state = 'waiting' AND (due_at <= $1 OR due_at = $2))"  # The message is due, or a process has claimed it.
    )
    now = room.texts.clock.now()
    await until_true(lambda: room.stores.db.value(settled, now, now + timedelta(seconds=CLAIM_SECONDS)))


async def code_by_text(room: TenantAuthService, phone: str = PHONE, caller: Caller = AT_BAKERY) -> str:
    """Request a sign-in code, and return the code that was sent."""
    sender = room.texts.sender
    assert isinstance(sender, FakeSender)
    before = len(sender.to(phone, caller.project))
    await room.request_phone_code(caller, phone, "")
    await settle(room)
    [message] = sender.to(phone, caller.project)[before:]
    return message.code
