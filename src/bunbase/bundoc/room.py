"""The implementation of Bundoc's contract, which passes each call to one of four services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec

from bunbase.bundoc.backups.service import BackupsService
from bunbase.bundoc.backups.work import BackupParts
from bunbase.bundoc.before_writes import BeforeWrites
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.query.budgets import SERVER_SETTING, Budgets
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.backups import (
    Backup,
    BackupJob,
    BackupPage,
    BackupSchedule,
    BackupScheduleState,
    Imported,
    ImportMode,
)
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
    StoredSize,
    Written,
)
from bunbase.contracts.bundoc.live import LiveEvent, LiveQuery, Results
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.pkg.clock import Clock
from bunbase.pkg.ndjson import ExportPart, ImportLine


class BundocRoom:
    """Implements the Protocol Bundoc; its docstrings describe the methods.

    The methods for documents return the coroutine of the service: a coroutine around it would cost every read 0.3 µs.
    """

    def __init__(
        self,
        engine: Engine,
        parts: BackupParts,
        clock: Clock,
        settings: BundocSettings,
        dev: bool,
        functions: Functions,
    ) -> None:
        self.documents = BundocService(
            engine,
            dev=dev,
            bound=_budgets(settings, settings.max_scan, settings.max_scan_mib),
            unbound=msgspec.structs.replace(
                _budgets(settings, settings.server_scan, settings.server_scan_mib), setting=SERVER_SETTING
            ),
            clock=clock,
            read_seconds=settings.read_seconds,
            before_writes=BeforeWrites(functions),
        )
        rights = self.documents.rights
        self.live_queries = LiveService(engine, clock, rights.bound, rights.unbound, dev, settings.live_user_seconds)
        self.backup_service = BackupsService(parts, clock, settings)
        self.transfer = TransferService(engine, self.documents)

    def get(
        self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = (), at_least: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.documents.get(caller, collection, id, expand, at_least)

    def create(
        self, caller: Caller, collection: str, body: bytes, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.documents.create(caller, collection, body, idempotency_key)

    def put(
        self, caller: Caller, collection: str, id: str, body: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.documents.put(caller, collection, id, body, when, idempotency_key)

    def patch(
        self, caller: Caller, collection: str, id: str, patch: bytes, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Document]:
        return self.documents.patch(caller, collection, id, patch, when, idempotency_key)

    def delete(
        self, caller: Caller, collection: str, id: str, when: Precondition, idempotency_key: str = ""
    ) -> Coroutine[Any, Any, Written]:
        return self.documents.delete(caller, collection, id, when, idempotency_key)

    async def commit(self, caller: Caller, body: bytes, idempotency_key: str = "") -> DoneCommit:
        return await self.documents.commit(caller, body, idempotency_key)

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        return await self.documents.changes(caller, since, limit, wait_seconds)

    def list(
        self, caller: Caller, collection: str, limit: int, cursor: str | None, at_least: str = ""
    ) -> Coroutine[Any, Any, Page]:
        return self.documents.list(caller, collection, limit, cursor, at_least)

    def query(self, caller: Caller, collection: str, query: Query, at_least: str = "") -> Coroutine[Any, Any, Page]:
        return self.documents.query(caller, collection, query, at_least)

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation, at_least: str = "") -> Page:
        return await self.documents.aggregate(caller, collection, aggregation, at_least)

    async def collections(self, caller: Caller) -> tuple[Collection, ...]:
        return await self.documents.collections(caller)

    async def collection(self, caller: Caller, name: str) -> Collection:
        return await self.documents.collection(caller, name)

    async def put_collection(self, caller: Caller, name: str, spec: CollectionSpec, wait: bool = True) -> Collection:
        return await self.documents.put_collection(caller, name, spec, wait)

    async def misfits(self, caller: Caller, name: str, query: MisfitQuery) -> Misfits:
        return await self.documents.misfits(caller, name, query)

    async def drop_collection(self, caller: Caller, name: str) -> None:
        await self.documents.drop_collection(caller, name)

    async def data_key(self, caller: Caller) -> KeyState:
        return await self.documents.data_key(caller)

    async def rotate_data_key(self, caller: Caller) -> KeyState:
        return await self.documents.rotate_data_key(caller)

    async def test_rules(self, caller: Caller, body: bytes) -> Page:
        return await self.documents.test_rules(caller, body)

    async def create_backup(self, caller: Caller, users: bool = False, files: bool = True) -> BackupJob:
        return await self.backup_service.create_backup(caller, users, files)

    async def backups(self, caller: Caller, limit: int, cursor: str | None) -> BackupPage:
        return await self.backup_service.backups(caller, limit, cursor)

    async def backup(self, caller: Caller, id: str) -> Backup:
        return await self.backup_service.backup(caller, id)

    async def verify_backup(self, caller: Caller, id: str, deep: bool = False) -> BackupJob:
        return await self.backup_service.verify_backup(caller, id, deep)

    async def restore_backup(
        self,
        caller: Caller,
        source: Caller,
        id: str,
        unauthenticated: bool = False,
        users: bool = False,
        files: bool = True,
    ) -> BackupJob:
        return await self.backup_service.restore_backup(caller, source, id, unauthenticated, users, files)

    async def delete_backup(self, caller: Caller, id: str) -> None:
        await self.backup_service.delete_backup(caller, id)

    async def backup_job(self, caller: Caller, id: str) -> BackupJob:
        return await self.backup_service.backup_job(caller, id)

    async def backup_schedule(self, caller: Caller) -> BackupScheduleState:
        return await self.backup_service.backup_schedule(caller)

    async def set_backup_schedule(self, caller: Caller, schedule: BackupSchedule | None) -> BackupScheduleState:
        return await self.backup_service.set_backup_schedule(caller, schedule)

    def live(self, edge: str) -> AsyncIterator[tuple[LiveEvent, ...]]:
        return self.live_queries.live(edge)

    async def watch(self, caller: Caller, edge: str, number: int, query: LiveQuery) -> None:
        await self.live_queries.watch(caller, edge, number, query)

    async def results(self, caller: Caller, queries: tuple[LiveQuery, ...]) -> Results:
        return await self.live_queries.results(caller, queries)

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return await self.live_queries.recheck(caller, edge, numbers)

    async def unwatch(self, edge: str, numbers: tuple[int, ...]) -> None:
        await self.live_queries.unwatch(edge, numbers)

    def export_documents(self, caller: Caller, collection: str | None, after: str) -> AsyncIterator[ExportPart]:
        return self.transfer.export_documents(caller, collection, after)

    async def import_documents(
        self,
        caller: Caller,
        collection: str | None,
        mode: ImportMode,
        lines: tuple[ImportLine, ...],
        dry_run: bool = False,
    ) -> Imported:
        return await self.transfer.import_documents(caller, collection, mode, lines, dry_run)

    async def stored_sizes(self, projects: tuple[str, ...]) -> dict[str, StoredSize]:
        return await self.documents.engine.sizes(projects)

    async def stored_bytes(self) -> int:
        return sum(size.bytes for size in (await self.documents.engine.sizes(None)).values())

    async def drop_project(self, project: str) -> None:
        await self.live_queries.drop_project(project)
        await self.backup_service.end_backups(project)
        await self.documents.drop_project(project)


def _budgets(settings: BundocSettings, documents: int, mib: int) -> Budgets:
    return Budgets(documents, mib << 20, settings.max_entries, settings.read_seconds)
