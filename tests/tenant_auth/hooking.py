"""A fake of Functions that runs the hooks of a test, written in Python."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.hooks import HookAnswer, HookCall, HookLoop, HookName, HookState
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.triggers import Job, JobStatus, TriggerKind
from bunbase.tenant_auth.service import TenantAuthService

NOW = datetime(2026, 1, 1, tzinfo=UTC)

# A hook may be a coroutine. A Problem that it raises is the failure of the hook.
Hook = Callable[[dict[str, Any]], Any]


class FakeFunctions:
    """A fake of Functions. By project and name of the function, `deployed` has the hooks.

    `asked` has all calls, and `jobs` has all enqueued jobs.
    """

    def __init__(self) -> None:
        self.deployed: dict[tuple[str, str], dict[HookName, Hook]] = {}
        self.asked: list[HookCall] = []
        self.jobs: list[tuple[str, HookCall, str]] = []
        self.refused: list[tuple[str, str, str]] = []  # Each entry has the project, the run and the reason.

    def deploy(self, project: str, name: str, **hooks: Hook) -> None:
        self.deployed[project, name] = {HookName(hook): answer for hook, answer in hooks.items()}

    async def hook_state(self, caller: Caller, name: str, hook: HookName) -> HookState:
        found = self.deployed.get((caller.project, name))
        return HookState.NO_FUNCTION if found is None else HookState.READY if hook in found else HookState.NO_HOOK

    async def run_hook(self, caller: Caller, call: HookCall) -> HookAnswer:
        if caller.depth:
            raise HookLoop
        hooks = self._found(caller, call.function)
        self.asked.append(call)
        answer = hooks[call.hook](call.event)
        return HookAnswer(await answer if inspect.isawaitable(answer) else answer, f"run_{len(self.asked)}")

    async def refuse_hook_answer(self, caller: Caller, run: str, reason: str) -> None:
        self.refused.append((caller.project, run, reason))

    async def enqueue_hook(self, caller: Caller, call: HookCall, key: str) -> Job:
        self._found(caller, call.function)
        self.jobs.append((caller.project, call, key))
        return Job("job_1", call.function, TriggerKind.HOOK, JobStatus.WAITING, NOW, NOW, 0, 5, key)

    def _found(self, caller: Caller, name: str) -> dict[HookName, Hook]:
        found = self.deployed.get((caller.project, name))
        if found is None:
            raise FunctionNotFound(f"The project has no function {name}.")
        return found


async def delivered(room: TenantAuthService) -> None:
    """Wait until every event of the outbox is delivered, by the job of the room or by this function."""
    async with asyncio.timeout(30):
        while await room.stores.db.value("SELECT EXISTS (SELECT FROM outbox)"):
            await room.stores.outbox.relay(room.hooks.deliver)
