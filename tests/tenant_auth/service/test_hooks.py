from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.hooks import HookLoop, HookName
from bunbase.contracts.functions.problems import FunctionCrashed, FunctionError, FunctionTimeout
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.problems import HookFailed, SignupRefused
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock, rfc3339
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.text_messages import TextMessage
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.hooking import FakeFunctions, Hook, delivered
from tests.tenant_auth.mailbox import link
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    PASSWORD,
    as_user,
    change_settings,
    claims_of,
    signed_up,
)

SERVER = secret_caller(BAKERY)
MESSAGE = TextMessage("+4917612345678", "123456", "sign_in", "de", "Bakery")


async def hooked(room: TenantAuthService, functions: FakeFunctions, project: str = BAKERY, **hooks: Hook) -> None:
    """Deploy a function with these hooks, and name it in the settings of the project."""
    functions.deploy(project, "gate", **hooks)
    await change_settings(room, project, hooks=dict.fromkeys(hooks, "gate"))


async def failing(problem: Exception) -> Any:
    raise problem


async def test_nobody_is_signed_up_if_the_hook_fails_or_answers_nonsense(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    answers: list[Any] = [
        *(
            FunctionTimeout("secret cause"),
            FunctionCrashed("secret cause"),
            FunctionError("secret cause"),
            Unreachable(),
        ),
        *("nonsense", ["refuse"], {"allow": True}, {"role": "no such\nrole"}, {"claims": {"role": "admin"}}),
        *({"claims": {"big": "x" * 1100}}, {"refuse": None}),
    ]

    def hook(_: Any) -> Any:
        answer = answers.pop()
        return failing(answer) if isinstance(answer, Exception) else answer

    await hooked(tenant_auth, functions, before_signup=hook)

    causes = set()
    while answers:
        with pytest.raises(HookFailed) as failed:
            await signed_up(tenant_auth)
        assert (failed.value.status, failed.value.extra["hook"]) == (502, "before_signup")
        causes.add(failed.value.extra["cause"])
        assert "secret cause" not in failed.value.detail
    assert causes == {"function_timeout", "function_crashed", "function_error", "unreachable", "invalid_answer"}
    assert len(functions.refused) == 7, "each answer that was refused is recorded"
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 0


async def test_a_project_whose_function_was_deleted_signs_nobody_up(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    await hooked(tenant_auth, functions, before_signup=lambda _: None)
    functions.deployed.clear()

    with pytest.raises(HookFailed):
        await signed_up(tenant_auth)


async def test_the_hook_refuses_a_sign_up_with_its_message_or_chooses_role_claims_and_data(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    def hook(event: dict[str, Any]) -> dict[str, Any]:
        if event["user"]["email"].endswith("@evil.example"):
            return {"refuse": "Only for \u202ebakers.\x00" + "x" * 300}
        return {"role": "baker", "claims": {"shop": 7}, "data": {"seen": event["method"]["provider"]}}

    await hooked(tenant_auth, functions, before_signup=hook)

    with pytest.raises(SignupRefused) as refused:
        await signed_up(tenant_auth, email="mallory@evil.example")
    eve = await signed_up(tenant_auth, nick="eve")

    assert refused.value.status == 403
    assert refused.value.detail == "Only for bakers." + "x" * 184
    assert (eve.user.role, eve.user.claims, eve.user.data) == ("baker", {"shop": 7}, {"seen": "password"})
    claims = await claims_of(tenant_auth, BAKERY, eve.access_token, clock.now().timestamp)
    assert (claims["role"], claims["claims"]) == ("baker", {"shop": 7})
    asked = functions.asked[-1].event["user"]
    assert (asked["data"], asked["created_at"]) == ({"nick": "eve"}, rfc3339(clock.now())), "times are as in the API"
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 1


async def test_administration_asks_no_hook_and_another_projects_function_never_runs(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    await hooked(tenant_auth, functions, before_signup=lambda _: {"refuse": "no"}, after_signup=lambda _: None)

    made = await tenant_auth.create_user(SERVER, NewUser("ada@example.com"))
    at_library = await signed_up(tenant_auth, AT_LIBRARY)

    assert (made.email, at_library.user.email) == ("ada@example.com", "eve@example.com")
    assert functions.asked == []
    await delivered(tenant_auth)
    assert functions.jobs == []
    with pytest.raises(InvalidInput, match="bunbase deploy gate"):
        await change_settings(tenant_auth, LIBRARY, hooks={"before_signup": "gate"})


async def test_a_slow_hook_holds_no_lock_and_may_change_the_user_it_is_asked_about(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    async def before_token(event: dict[str, Any]) -> dict[str, Any]:
        # A lock on the user, or a transaction of the caller, would make this call wait.
        async with asyncio.timeout(10):
            if event["reason"] == "sign_in" and event["user"]["role"] == "user":
                await tenant_auth.update_user(SERVER, event["user"]["id"], UserChanges(role="editor"))
            await signed_up(tenant_auth, AT_LIBRARY, f"{event['session']}@example.com".lower())
        return {"claims": {"plan": event["user"]["role"]}}

    await signed_up(tenant_auth)
    await hooked(tenant_auth, functions, before_token=before_token)

    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)

    claims = await claims_of(tenant_auth, BAKERY, signed_in.access_token, clock.now().timestamp)
    assert (claims["role"], claims["claims"]) == ("editor", {"plan": "editor"})
    assert [call.event["reason"] for call in functions.asked] == ["sign_in", "sign_in"]


async def test_claims_are_those_of_today_at_each_refresh_and_never_standard_ones(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    answers: list[Any] = [{"claims": {"plan": "free"}}, {"claims": {"plan": "pro"}}, None, {"claims": {"sub": "x"}}]
    await hooked(tenant_auth, functions, before_token=lambda _: answers.pop(0))

    signed_in = await signed_up(tenant_auth)
    found = [await claims_of(tenant_auth, BAKERY, signed_in.access_token, clock.now().timestamp)]
    for _ in range(2):
        signed_in = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)
        found.append(await claims_of(tenant_auth, BAKERY, signed_in.access_token, clock.now().timestamp))
    with pytest.raises(HookFailed):
        await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)
    answers.append({})
    again = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)

    assert [claims["claims"] for claims in found] == [{"plan": "free"}, {"plan": "pro"}, {}]
    assert again.user == signed_in.user, "the refresh token was not used up by the failure"


async def test_a_token_may_have_four_kib_of_claims_and_more_is_a_failure_that_developers_find(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    claims = [{"rooms": ["x" * 10] * 78}, {"rooms": ["x" * 2000]}, {"rooms": ["x" * 3100]}]
    await hooked(tenant_auth, functions, before_token=lambda _: {"claims": claims.pop(0)})
    signed_in = await signed_up(tenant_auth)
    await tenant_auth.update_user(SERVER, signed_in.user.id, UserChanges(claims={"own": "y" * 1000}))

    second = await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)
    with pytest.raises(HookFailed) as failed:
        await tenant_auth.refresh(AT_BAKERY, second.refresh_token)

    read = await claims_of(tenant_auth, BAKERY, second.access_token, clock.now().timestamp)
    assert (len(read["claims"]["own"]), len(read["claims"]["rooms"][0])) == (1000, 2000)
    assert failed.value.extra == {"hook": "before_token", "cause": "invalid_answer"}
    [(project, run, reason)] = functions.refused
    assert (project, run) == (BAKERY, "run_3")
    assert "can have at most 4096 bytes of JSON, and this has 4123" in reason
    assert "yyy" not in reason


async def test_a_hook_in_a_hook_is_refused(tenant_auth: TenantAuthService, functions: FakeFunctions) -> None:
    await hooked(tenant_auth, functions, before_signup=lambda _: None)

    with pytest.raises(HookLoop):
        await signed_up(tenant_auth, msgspec.structs.replace(AT_BAKERY, depth=1))


async def test_an_anonymous_visitor_is_asked_about_twice_and_keeps_the_id(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, anonymous={"enabled": True})
    await hooked(
        tenant_auth,
        functions,
        before_signup=lambda event: {"claims": {"way": event["method"]["provider"]}},
        after_signup=lambda _: None,
    )

    visitor = await tenant_auth.sign_in_anonymously(AT_BAKERY, {})
    caller = await as_user(tenant_auth, AT_BAKERY, visitor.access_token, clock.now().timestamp)
    after = await signed_up(tenant_auth, caller)

    assert (visitor.user.claims, after.user.claims) == ({"way": "anonymous"}, {"way": "password"})
    assert after.user.id == visitor.user.id
    await delivered(tenant_auth)
    assert [call.event["provider"] for _, call, _ in functions.jobs] == ["anonymous", "password"]


async def test_after_signup_runs_even_if_the_server_dies_after_the_sign_up(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms
) -> None:
    functions, here = FakeFunctions(), site(tmp_path, database_url, clock)
    async with opened(MODULE, Rooms({Kms: kms}), here) as room:  # Functions cannot be reached, so the event stays.
        await change_settings(room, hooks={"after_signup": "gate"})
        eve = (await signed_up(room)).user
        with pytest.raises(EmailTaken):
            await signed_up(room)
        await room.signup(AT_LIBRARY, "eve@example.com", PASSWORD, {})
        mallory = (await signed_up(room, email="mallory@example.com")).user
        await room.delete_user(SERVER, mallory.id)

    functions.deploy(BAKERY, "gate", after_signup=lambda _: None)
    async with opened(MODULE, Rooms({Kms: kms, Functions: functions}), here) as room:
        await room.stores.db.execute("UPDATE outbox SET due_at = now()")
        await delivered(room)

    [(project, call, key)] = functions.jobs
    assert (project, call.function, call.hook, key) == (BAKERY, "gate", HookName.AFTER_SIGNUP, f"after_signup:{eve.id}")
    assert (call.event["user"]["id"], call.event["provider"]) == (eve.id, "password")


async def test_text_messages_are_sent_by_the_hook_or_not_at_all(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    with pytest.raises(HookFailed):
        await tenant_auth.hooks.send_sms(BAKERY, MESSAGE)
    await hooked(tenant_auth, functions, send_sms=lambda _: None)

    await tenant_auth.hooks.send_sms(BAKERY, MESSAGE)

    [call] = functions.asked
    assert call.event == {"message": msgspec.structs.asdict(MESSAGE)}


async def test_mails_are_sent_by_the_hook_and_wait_while_it_fails(
    tenant_auth: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    answers: list[Any] = [FunctionError("no"), None]

    def hook(_: Any) -> Any:
        return failing(answer) if isinstance(answer := answers.pop(0), Exception) else answer

    await tenant_auth.create_user(SERVER, NewUser("eve@example.com"))
    await tenant_auth.create_user(secret_caller(LIBRARY), NewUser("eve@example.com"))
    await hooked(tenant_auth, functions, send_mail=hook)
    await change_settings(tenant_auth, mail={"from": "The bakers", "reply_to": "hello@bakery.example"})
    db, state = tenant_auth.stores.db, "SELECT state FROM mails WHERE project = $1"

    for caller in (AT_BAKERY, AT_LIBRARY):
        await tenant_auth.request_user_verification(caller, "eve@example.com", "")
    await until_true(lambda: db.value("SELECT count(*) = 1 FROM mails WHERE reason <> ''"))
    clock.advance(60)
    await until_true(lambda: db.value("SELECT count(*) = 1 FROM mails WHERE state = 'sent'"))

    assert (await db.value(state, BAKERY), await db.value(state, LIBRARY)) == ("sent", "kept")
    first, second = (call.event["mail"] for call in functions.asked)
    assert first == second, "the id of the mail tells that it is the same"
    assert (first["to"], first["from"], first["reply_to"]) == ("eve@example.com", "The bakers", "hello@bakery.example")
    assert "/v1/auth/ui/verify-email?project=prj_bakery" in first["text"]


async def test_where_addresses_are_confirmed_only_the_owner_of_the_address_hears_the_hook(
    tenant_auth: TenantAuthService, functions: FakeFunctions
) -> None:
    answers: list[Any] = [{"refuse": "Not today."}, {"role": "baker"}]
    await hooked(tenant_auth, functions, before_signup=lambda _: answers.pop(0))
    await change_settings(tenant_auth, enumeration="closed")

    asked = await tenant_auth.signup(AT_BAKERY, "eve@example.com", PASSWORD, {})
    silent = list(functions.asked)
    token = await link(tenant_auth, "eve@example.com", "sign-up")
    with pytest.raises(SignupRefused, match="Not today"):
        await tenant_auth.confirm_user_signup(AT_BAKERY, token, PASSWORD)
    eve = await tenant_auth.confirm_user_signup(AT_BAKERY, token, PASSWORD)

    assert (asked, silent) == (None, [])
    assert eve.user.role == "baker", "the refusal has not used the link up"
