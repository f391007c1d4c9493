"""The entries of the audit log in PostgreSQL.

A trigger in the database refuses to change or delete entries (0007_audit.sql).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.audit import ActEnd, ActorKind, AuditActor, AuditEntry, AuditFilter, AuditOutcome
from bunbase.pkg.db.database import DELETE_BATCH, Database

COLUMNS: Final = (
    "id, at, project, actor_kind, actor_id, actor_email, credential, action, target, ip, agent, request_id, status, "
    "before, after, count, org"
)
ADD = f"""
INSERT INTO audit ({COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"""
ADD_ONCE = f"{ADD} ON CONFLICT (id) DO NOTHING"
END = """
UPDATE audit SET status = $2, after = $3, target = CASE WHEN target = '' THEN $4 ELSE target END,
    project = CASE WHEN project = '' THEN $5 ELSE project END, org = CASE WHEN org = '' THEN $6 ELSE org END,
    to_org = CASE WHEN org = '' OR org = $6 THEN '' ELSE $6 END
WHERE id = $1 AND status IS NULL"""
DELETE_OLD = "SELECT delete_old_audit($1, $2)"

Position = tuple[datetime, str]  # the time and the id of the last entry of a page


class Log(msgspec.Struct, frozen=True, omit_defaults=True):
    """The log of a project or of an organisation. If neither is set, the log of the installation."""

    project: str | None = None
    org: str | None = None


class AuditRow(msgspec.Struct, frozen=True):
    id: str
    at: datetime
    project: str
    actor_kind: ActorKind
    actor_id: str
    actor_email: str | None
    credential: str | None
    action: str
    target: str
    ip: str
    agent: str
    request_id: str
    status: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    count: int = 1
    org: str = ""

    def entry(self) -> AuditEntry:
        return AuditEntry(
            id=self.id,
            at=self.at,
            actor=AuditActor(self.actor_kind, self.actor_id, self.actor_email, self.credential),
            action=self.action,
            target=self.target,
            ip=self.ip,
            outcome=outcome_of(self.status, self.actor_kind),
            status=self.status,
            agent=self.agent,
            request_id=self.request_id,
            project=self.project,
            before=self.before,
            after=self.after,
            count=self.count,
            org=self.org,
        )


class AuditStore:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, row: AuditRow) -> None:
        await self.db.execute(ADD, *msgspec.structs.astuple(row))

    async def add_once(self, row: AuditRow) -> None:
        """Add an entry if the log has no entry with its id."""
        await self.db.execute(ADD_ONCE, *msgspec.structs.astuple(row))

    async def end(self, id: str, end: ActEnd) -> None:
        """Store the outcome of an entry. Change nothing if the entry already has an outcome."""
        await self.db.execute(END, id, end.status, end.after, end.target, end.project, end.org)

    async def rows(self, log: Log, filter: AuditFilter, limit: int, after: Position) -> list[AuditRow]:
        """Return entries of a log, newest first."""
        sql, args = page_statement(log, filter, limit, after)
        return await self.db.all(AuditRow, sql, *args)

    async def delete_before(self, time: datetime) -> int:
        """Delete the entries that are older than `time`, in batches. Return the number of deleted entries."""
        deleted = 0
        while True:
            batch: int = await self.db.value(DELETE_OLD, time, DELETE_BATCH)
            deleted += batch
            if batch < DELETE_BATCH:
                return deleted


def page_statement(log: Log, filter: AuditFilter, limit: int, after: Position) -> tuple[str, list[Any]]:
    """Return the statement of a page and its parameters.

    For each filter that is set, the statement has a condition that an index serves.

    A transfer is in the logs of two organisations. So a page of an organisation merges two index scans, `org` and
    `to_org`; both scans stop at the limit.
    """
    args: list[Any] = []

    def parameter(value: Any) -> str:
        args.append(value)
        return f"${len(args)}"

    conditions = [
        f"{column} {operator} {parameter(value)}"
        for column, operator, value in (
            ("project", "=", log.project),
            ("actor_id", "=", filter.actor),
            ("action", "=", filter.action),
            ("at", ">=", filter.since),
            ("at", "<", filter.until),
        )
        if value is not None
    ]
    conditions.append(f"(at, id) < ({parameter(after[0])}, {parameter(after[1])})")
    most = parameter(limit)

    def selected(*more: str) -> str:
        where = " AND ".join((*more, *conditions))
        return f"SELECT {COLUMNS} FROM audit WHERE {where} ORDER BY at DESC, id DESC LIMIT {most}"

    if log.org is None:
        return selected(), args
    org = parameter(log.org)
    parts = [selected(f"{column} = {org}", f"{column} <> ''") for column in ("org", "to_org")]
    both = " UNION ALL ".join(f"({part})" for part in parts)
    return f"SELECT * FROM ({both}) AS entries ORDER BY at DESC, id DESC LIMIT {most}", args


def outcome_of(status: int | None, actor: ActorKind) -> AuditOutcome:
    """Return the outcome of an act.

    The status 401 has two meanings: for a known caller, the act needs a fresh proof; for an unknown caller, a sign-in
    failed.
    """
    if status is None:
        return AuditOutcome.UNKNOWN
    if status < 400:
        return AuditOutcome.DONE
    if status == 401 and actor is not ActorKind.ANONYMOUS:
        return AuditOutcome.CHALLENGED
    return AuditOutcome.REFUSED if status in (401, 403) else AuditOutcome.FAILED
