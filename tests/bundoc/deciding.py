"""A service in which a function of the test decides about writes, instead of the room Functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from bunbase.bundoc.before_writes import BeforeWrites
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import BeforeWrite, CollectionSpec, Rules
from bunbase.contracts.bundoc.problems import DocumentNotFound
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.contracts.functions.hooks import HookAnswer, HookCall, HookName, HookState
from bunbase.contracts.functions.service import Functions
from bunbase.pkg.errors import Unreachable
from tests.rooms import secret_caller

P = "prj_a"
SERVER = secret_caller(P)
EVE = Caller(CallerKind.PUBLISHABLE, project=P, user=EndUser("eve", "eve@example.com", "user", {"plan": "pro"}, "ses"))
ASK = BeforeWrite("check")
OPEN = Rules(list="true", get="true", create="true", update="true", delete="true")

Json = dict[str, Any]
Decide = Callable[[Json], Any]


class DecidingFunctions:
    """`decide`: the decision about one write. `meanwhile`: a function that is awaited while the function decides.
    `calls`: the calls of the hook.

    `problem`: the Problem to raise instead of a decision. `answer`: the answer to return instead of a decision.
    `state`: the state of the hook.
    """

    def __init__(self, decide: Decide = lambda _write: None) -> None:
        self.decide = decide
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None
        self.calls: list[HookCall] = []
        self.callers: list[Caller] = []
        self.problem: Exception | None = None
        self.answer: bytes | None = None
        self.refused: list[tuple[str, str]] = []  # The entries have the run and the reason.
        self.state, self.unreachable = HookState.READY, False

    @property
    def events(self) -> list[Json]:
        return [msgspec.json.decode(call.json) for call in self.calls]

    async def hook_state(self, caller: Caller, name: str, hook: HookName) -> HookState:
        if self.unreachable:
            raise Unreachable("Functions cannot be reached.")
        return self.state

    async def run_hook(self, caller: Caller, call: HookCall) -> HookAnswer:
        self.calls.append(call)
        self.callers.append(caller)
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.problem is not None:
            raise self.problem
        if self.answer is not None:
            return HookAnswer(self.answer, f"run_{len(self.calls)}")
        event, answers = msgspec.json.decode(call.json), []
        for write in event["writes"]:
            answers.append(self.decide({**write, "caller": event["caller"]}))
            if isinstance(answers[-1], dict) and "refuse" in answers[-1]:
                break
        return HookAnswer(msgspec.json.encode({"answers": answers}), f"run_{len(self.calls)}")

    async def refuse_hook_answer(self, caller: Caller, run: str, reason: str) -> None:
        self.refused.append((run, reason))


async def asking_service(engine: Engine, functions: DecidingFunctions) -> BundocService:
    """Return a service with the collections `posts`, for which the function decides, and `plain`."""
    service = BundocService(engine, before_writes=BeforeWrites(cast(Functions, functions)))
    await service.put_collection(SERVER, "posts", CollectionSpec(before_write=ASK, rules=OPEN))
    await service.put_collection(SERVER, "plain", CollectionSpec())
    return service


def commit_of(*writes: Json) -> bytes:
    return msgspec.json.encode({"writes": writes})


def write(op: str, id: str, collection: str = "posts", **data: Any) -> Json:
    return {"op": op, "collection": collection, "id": id} | ({"data": data} if op != "delete" else {})


async def stored(service: BundocService, id: str, collection: str = "posts") -> Json | None:
    """Return the fields of a document without system fields, None if there is no document."""
    try:
        body = (await service.get(SERVER, collection, id)).body
    except DocumentNotFound:
        return None
    return {name: value for name, value in msgspec.json.decode(body).items() if not name.startswith("_")}
