"""Implements the part of Bundoc's contract about documents and collections: one file for each group of methods.

Each method checks the caller and the input, then calls the engine.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from bunbase.bundoc.before_writes import BeforeWrites
from bunbase.bundoc.counted import counted
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.query.budgets import BOUND, UNBOUND, Budgets
from bunbase.bundoc.service.definitions import Definitions
from bunbase.bundoc.service.reads import ReadService
from bunbase.bundoc.service.rights import CallerRights
from bunbase.bundoc.service.stored_writes import StoredWrites
from bunbase.bundoc.service.writes import WriteService
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, MisfitQuery, Misfits
from bunbase.contracts.bundoc.documents import (
    Aggregation,
    Changes,
    Document,
    DoneCommit,
    KeyState,
    Page,
    Precondition,
    Query,
    Written,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.service import Functions
from bunbase.pkg.clock import Clock, SystemClock
from bunbase.pkg.modules import Rooms


class BundocService:
    """The operations on documents and collections. Each method calls the part that implements it. The methods for
    single documents and for pages return the coroutine of that part, because a coroutine around it would cost every
    read 0.3 µs.

    `dev`, `bound`, `unbound`: the members of CallerRights. `read_seconds`: the time that a query may take.
    """

    def __init__(
        self,
        engine: Engine,
        dev: bool = True,
        bound: Budgets = BOUND,
        unbound: Budgets = UNBOUND,
        clock: Clock | None = None,
        read_seconds: float = 5.0,
        before_writes: BeforeWrites | None = None,
    ) -> None:
        self.engine = engine
        self.rights = CallerRights(engine, clock or SystemClock(), dev, bound, unbound)
        self.before_writes = before_writes or BeforeWrites(Rooms().later(Functions))
        self.reads = ReadService(engine, self.rights, read_seconds)
        self.writes = WriteService(engine, self.rights, self.before_writes)
        self.stored_writes = StoredWrites(self.rights, self.writes)
        self.definitions = Definitions(engine, self.rights, self.before_writes, read_seconds)

    def get(
        self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = (), at_least: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.reads.get(caller, collection, id, expand, at_least)

    def create(
        self, caller: Caller, collection: str, body: bytes, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.writes.create(caller, collection, body, idempotency_key)

    def put(
        self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.writes.put(caller, collection, id, body, when, idempotency_key)

    def patch(
        self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.writes.patch(caller, collection, id, patch, when, idempotency_key)

    def delete(
        self, caller: Caller, collection: str, id: str, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Written]:
        return self.writes.delete(caller, collection, id, when, idempotency_key)

    async def commit(self, caller: Caller, body: bytes, idempotency_key: str = "") -> DoneCommit:
        return await self.writes.commit(caller, body, idempotency_key)

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        return await self.reads.changes(caller, since, limit, wait_seconds)

    def list(
        self, caller: Caller, collection: str, limit: int, cursor: str | None, at_least: str = ""
    ) -> Coroutine[Any, Any, Page]:
        return self.reads.list(caller, collection, limit, cursor, at_least)

    def query(self, caller: Caller, collection: str, query: Query, at_least: str = "") -> Coroutine[Any, Any, Page]:
        return self.reads.query(caller, collection, query, at_least)

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation, at_least: str = "") -> Page:
        return await self.reads.aggregate(caller, collection, aggregation, at_least)

    async def collections(self, caller: Caller) -> tuple[Collection, ...]:
        return await self.definitions.collections(caller)

    async def collection(self, caller: Caller, name: str) -> Collection:
        return await self.definitions.collection(caller, name)

    async def put_collection(self, caller: Caller, name: str, spec: CollectionSpec, wait: bool = True) -> Collection:
        return await self.definitions.put_collection(caller, name, spec, wait)

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        return await self.definitions.misfits(caller, name, query)

    async def drop_collection(self, caller: Caller, name: str) -> None:
        await self.definitions.drop_collection(caller, name)

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        return await self.definitions.test_rules(caller, body)

    async def data_key(self, caller: Caller) -> KeyState:
        with counted("data_key"):
            caller.check(Act.DATA_KEY_READ)
            return await self.engine.data_key(caller.project)

    async def rotate_data_key(self, caller: Caller) -> KeyState:
        with counted("rotate_data_key"):
            caller.check(Act.DATA_KEY_ROTATE)
            return await self.engine.rotate_data_key(caller.project)

    async def drop_project(self, project: str) -> None:
        with counted("drop_project"):
            await self.engine.drop(project)

    async def tend(self) -> None:
        await self.engine.tend()
