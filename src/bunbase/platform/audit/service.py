"""The audit log: begin and end entries, and answer pages and exports to callers who may read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec

from bunbase.contracts.audit import ActEnd, ActorKind, AuditActor, AuditedAct, AuditEntry, AuditFilter, AuditPage
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import MAX_LIMIT, UNCHANGED, InvalidCursor, cut_page, page_start
from bunbase.pkg.ids import new_id
from bunbase.platform.audit.before import BeforeActs
from bunbase.platform.audit.store import AuditRow, AuditStore, Log, Position
from bunbase.platform.store.groups import Group, GroupKind

PREFIX: Final = "aud"
# a target, a request id and an address each have at most this number of characters; longer texts are cut
MAX_TEXT: Final = 256
MAX_VALUES_BYTES: Final = 8 << 10  # an entry has `after` only if it has at most this size
TOO_LARGE: Final = {"omitted": "the values are too large for the audit log"}
REFUSED: Final = 403
FindGroup = Callable[[Caller, str | None, Act], Awaitable[Group]]  # the type of `Groups.find`
AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
FIRST: Final[Position] = (datetime(9999, 1, 1, tzinfo=UTC), "")  # no entry comes before this position


class Audit:
    def __init__(self, store: AuditStore, before: BeforeActs, find_group: FindGroup, clock: Clock) -> None:
        self.store = store
        self.before = before
        self.find_group = find_group
        self.clock = clock

    async def begin_act(self, caller: Caller, act: AuditedAct) -> str:
        org = await self.before.org(caller, act)
        before = await self.before.values(caller, org, act)
        row = self._row(caller, act, before=before, org=org)
        await self.store.add(row)
        return row.id

    async def end_act(self, id: str, end: ActEnd) -> None:
        target = _cut(end.target)
        await self.store.end(id, ActEnd(end.status, _bounded(end.after), target, _cut(end.project), _cut(end.org)))

    async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
        org = await self.before.org(caller, act)
        await self.store.add(self._row(caller, act, status=REFUSED, count=count, org=org))

    async def audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None, org: str | None
    ) -> AuditPage:
        return await self._page(await self._log_read_by(caller, org), filter, limit, cursor)

    async def installation_audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None
    ) -> AuditPage:
        caller.administrator(Act.INSTALLATION_READ)
        return await self._page(Log(), filter, limit, cursor)

    async def export_audit(
        self, caller: Caller, filter: AuditFilter, org: str | None
    ) -> AsyncIterator[tuple[AuditEntry, ...]]:
        async for batch in self._batches(await self._log_read_by(caller, org), filter):
            yield batch

    async def export_installation_audit(
        self, caller: Caller, filter: AuditFilter
    ) -> AsyncIterator[tuple[AuditEntry, ...]]:
        caller.administrator(Act.INSTALLATION_READ)
        async for batch in self._batches(Log(), filter):
            yield batch

    async def _log_read_by(self, caller: Caller, org: str | None) -> Log:
        """Return the log of the organisation or of the caller's project. Raises: OrganisationNotFound, Forbidden.

        The log has email and network addresses of all members. GitHub and Vercel show such logs only to owners and
        admins.
        """
        group = await self.find_group(caller, org, Act.AUDIT_READ)
        return Log(org=group.id) if group.kind is GroupKind.ORG else Log(project=group.id)

    async def _page(self, log: Log, filter: AuditFilter, limit: int, cursor: str | None) -> AuditPage:
        query = msgspec.json.encode(("audit", log, filter)).decode()
        after = _start(query, cursor)
        rows = await self.store.rows(log, filter, limit + 1, after)
        page, next = cut_page(rows, limit, query, _position)
        return AuditPage(tuple(row.entry() for row in page), next)

    async def _batches(self, log: Log, filter: AuditFilter) -> AsyncIterator[tuple[AuditEntry, ...]]:
        after = FIRST
        while rows := await self.store.rows(log, filter, MAX_LIMIT, after):
            yield tuple(row.entry() for row in rows)
            after = _position(rows[-1])

    def _row(self, caller: Caller, act: AuditedAct, **more: Any) -> AuditRow:
        actor = actor_of(caller)
        return AuditRow(
            id=new_id(PREFIX),
            at=self.clock.now(),
            project=caller.project,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_email=actor.email,
            credential=actor.credential,
            action=_cut(act.action),
            target=_cut(act.target),
            ip=caller.ip,
            agent=_cut(caller.agent),
            request_id=_cut(act.request_id),
            **more,
        )


def actor_of(caller: Caller) -> AuditActor:
    developer = caller.developer
    if developer is not None:
        return AuditActor(
            ActorKind.DEVELOPER, developer.id, developer.email, developer.session or developer.token or None
        )
    if caller.key:
        return AuditActor(ActorKind.KEY, caller.key)
    return AuditActor(ActorKind.ANONYMOUS, "")


def _start(query: str, cursor: str | None) -> Position:
    """Return the position after which a page starts.

    Raises: InvalidCursor, even if only PostgreSQL would refuse its time.
    """
    time, id = page_start(query, cursor, tuple[AwareTime, str], FIRST)
    try:
        return time.astimezone(UTC), id
    except OverflowError:
        raise InvalidCursor(UNCHANGED) from None


def _position(row: AuditRow) -> Position:
    return row.at, row.id


def _bounded(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return TOO_LARGE if values is not None and len(msgspec.json.encode(values)) > MAX_VALUES_BYTES else values


def _cut(text: str) -> str:
    return text.replace("\0", "�")[:MAX_TEXT]
