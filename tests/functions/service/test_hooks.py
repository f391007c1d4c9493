from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.contracts.functions.hooks import (
    INVALID_ANSWER,
    MAX_EVENT_BYTES,
    MAX_REASON,
    HookCall,
    HookLoop,
    HookName,
    HookState,
)
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import (
    FunctionCrashed,
    FunctionError,
    FunctionNotFound,
    FunctionTimeout,
)
from bunbase.contracts.functions.triggers import RunOutcome, TriggerKind
from bunbase.functions.service import FunctionsService
from bunbase.pkg.errors import Forbidden, TooLarge
from tests.functions.calls import MEMBER, PROJECT, SERVER, bundle, call, deploy, log_of, request, until
from tests.functions.triggers.runs import runs_of
from tests.rooms import member_caller, publishable_caller, secret_caller

HOOKS = """null; module.exports.hooks = {
    async beforeSignup(event, ctx) {
        console.log("hook", event.hook);
        const { answer } = event;
        if (answer === "hang") await new Promise(() => {});
        if (answer === "crash") process.exit(1);
        if (answer === "throw") throw new Error("no");
        if (answer === "text") return new Response("nonsense");
        if (answer === "large") return { text: "x".repeat(70_000) };
        return { event, caller: ctx.caller, trigger: ctx.trigger.kind };
    },
    sendSms() {},
};"""


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


def asked(hook: HookName = HookName.BEFORE_SIGNUP, deadline: float = 5.0, **event: Any) -> HookCall:
    return HookCall("gate", hook, event, deadline)


async def test_a_hook_gets_its_event_and_its_answer_log_and_run_are_kept(functions: FunctionsService) -> None:
    await deploy(functions, "gate", HOOKS)

    answer = await functions.run_hook(SERVER, asked(user={"email": "eve@example.com"}))
    nothing = await functions.run_hook(SERVER, asked(HookName.SEND_SMS))

    event = {"user": {"email": "eve@example.com"}, "hook": "before_signup"}
    assert answer.value == {"event": event, "caller": None, "trigger": "hook"}
    assert nothing.value is None
    runs = await runs_of(functions, "gate", 2)
    assert {(run.kind, run.outcome, run.version, run.job) for run in runs} == {
        (TriggerKind.HOOK, RunOutcome.OK, 1, None)
    }
    [line] = await log_of(functions, "gate", runs[0].invocation)
    assert line.text == "hook before_signup"
    assert (await functions.stats(MEMBER, "gate", 1)).calls == 2


@pytest.mark.parametrize(
    ("answer", "problem", "outcome"),
    [
        ("throw", FunctionError, RunOutcome.ERROR),
        ("text", FunctionError, RunOutcome.ERROR),
        ("large", FunctionError, RunOutcome.ERROR),
        ("crash", FunctionCrashed, RunOutcome.CRASH),
        ("hang", FunctionTimeout, RunOutcome.TIMEOUT),
    ],
)
async def test_a_hook_that_fails_is_a_problem_and_a_failed_run(
    functions: FunctionsService, answer: str, problem: type[Exception], outcome: RunOutcome
) -> None:
    await deploy(functions, "gate", HOOKS)

    with pytest.raises(problem):
        await functions.run_hook(SERVER, asked(deadline=0.3 if answer == "hang" else 5.0, answer=answer))

    [run] = await runs_of(functions, "gate", 1)
    assert (run.kind, run.outcome) == (TriggerKind.HOOK, outcome)
    lines = [line.text for line in await log_of(functions, "gate") if line.level is LogLevel.ERROR]
    assert bool(lines) == (outcome is not RunOutcome.TIMEOUT), "the log has the reason for an answer that is refused"


async def test_an_answer_that_a_room_cannot_use_is_a_failed_run_with_the_reason_in_the_log(
    functions: FunctionsService,
) -> None:
    await deploy(functions, "gate", HOOKS)
    one, other = [(await functions.run_hook(SERVER, asked())).run for _ in range(2)]

    await functions.refuse_hook_answer(secret_caller("prj_other"), one, "Not yours.")
    await functions.refuse_hook_answer(SERVER, "run_of_nobody", "There is none.")
    for reason in ("\x00The claims\u202e are too large. " + "x" * 3 * MAX_REASON, "A second reason is not told."):
        await functions.refuse_hook_answer(SERVER, one, reason)

    found = {run.id: (run.outcome, run.code) for run in await runs_of(functions, "gate", 2)}
    assert found == {one: (RunOutcome.ERROR, INVALID_ANSWER), other: (RunOutcome.OK, None)}
    [line] = [line for line in await log_of(functions, "gate") if line.level is LogLevel.ERROR]
    assert line.text.startswith("BunBase cannot use the answer of this hook: The claims are too large. xxx")
    assert len(line.text) <= MAX_REASON
    assert line.invocation == (await runs_of(functions, "gate", 2))[0].invocation
    with pytest.raises(Forbidden):
        await functions.refuse_hook_answer(MEMBER, other, "A member is not BunBase.")


async def test_a_function_without_the_hook_fails_and_its_log_says_what_to_write(functions: FunctionsService) -> None:
    await deploy(functions, "gate", "() => ({ refuse: false })")

    with pytest.raises(FunctionError):
        await functions.run_hook(SERVER, asked())

    [line] = await log_of(functions, "gate")
    assert "export const hooks = { beforeSignup(event, ctx)" in line.text
    with pytest.raises(FunctionNotFound):
        await functions.run_hook(SERVER, msgspec.structs.replace(asked(), function="nobody"))


async def test_no_request_reaches_a_hook_whatever_it_claims_to_be(functions: FunctionsService) -> None:
    await deploy(functions, "gate", HOOKS)
    forged = request(
        "/__hooks/before_signup?hook=before_signup",
        "POST",
        b'{"hook":"before_signup"}',
        x_bunbase_hook="before_signup",
        x_bunbase_trigger="hook",
    )

    answer = await call(functions, "gate", forged)

    assert (answer.head.status, answer.json["code"]) == (404, "function_has_only_hooks")
    assert await log_of(functions, "gate", answer.head.invocation) == []
    for caller in (publishable_caller(PROJECT), member_caller(PROJECT)):
        with pytest.raises(Forbidden):
            await functions.run_hook(caller, asked())


async def test_a_hook_of_another_project_never_runs(functions: FunctionsService) -> None:
    await deploy(functions, "gate", HOOKS)

    states = [
        await functions.hook_state(by, "gate", HookName.BEFORE_SIGNUP) for by in (SERVER, secret_caller("prj_other"))
    ]
    assert states == [HookState.READY, HookState.NO_FUNCTION]
    with pytest.raises(FunctionNotFound):
        await functions.run_hook(secret_caller("prj_other"), asked())
    with pytest.raises(FunctionNotFound):
        await functions.enqueue_hook(secret_caller("prj_other"), asked(), "usr_1")


async def test_a_triggered_run_cannot_cause_a_hook_and_an_event_has_a_limit(functions: FunctionsService) -> None:
    await deploy(functions, "gate", HOOKS)

    with pytest.raises(HookLoop):
        await functions.run_hook(msgspec.structs.replace(SERVER, depth=1), asked())
    with pytest.raises(TooLarge):
        await functions.run_hook(SERVER, asked(text="x" * MAX_EVENT_BYTES))


async def test_a_commit_is_one_call_and_the_questions_end_with_a_refusal(functions: FunctionsService) -> None:
    """The digits of the event stay, and a triggered run may cause the call."""
    decide = "({ id, next, writes }) => id === 'c' ? { refuse: 'no' } : next && { patch: { of: writes.length } }"
    await deploy(functions, "gate", f"null; module.exports.hooks = {{ beforeWrite: {decide} }};")
    writes = b",".join([b'{"id":"%c","next":%s}' % (id, b"null" if id == 98 else b'{"big":1e400}') for id in b"abcd"])
    event = HookCall("gate", HookName.BEFORE_WRITE, {}, json=b'{"caller":null,"writes":[%s]}' % writes)

    answer = await functions.run_hook(msgspec.structs.replace(SERVER, depth=2), event)

    assert msgspec.json.decode(answer.value) == {"answers": [{"patch": {"of": 4}}, None, {"refuse": "no"}]}


async def test_an_enqueued_hook_runs_as_a_job_once_per_key(functions: FunctionsService) -> None:
    after = "null; module.exports.hooks = { afterSignup(event, ctx) { console.log(event.user, ctx.trigger.job); } };"
    await functions.deploy(MEMBER, "gate", bundle(after))
    new = asked(HookName.AFTER_SIGNUP, user="usr_1")

    first, second = await asyncio.gather(*(functions.enqueue_hook(SERVER, new, "usr_1") for _ in range(2)))

    assert first.id == second.id
    await until(lambda: not functions.runner.tasks)
    [run] = await runs_of(functions, "gate", 1)
    assert (run.kind, run.outcome, run.job) == (TriggerKind.HOOK, RunOutcome.OK, first.id)
    [line] = await log_of(functions, "gate", run.invocation)
    assert line.text == f"usr_1 {first.id}"
