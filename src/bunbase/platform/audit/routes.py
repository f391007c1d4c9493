"""Public HTTP of the audit log: pages and exports, of one project, of an organisation and of the whole installation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from litestar import get
from litestar.di import Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from bunbase.contracts.audit import AuditEntry, AuditFilter, AuditPage
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.pkg.api_json import api_json
from bunbase.pkg.closing_stream import ClosingStream
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.pkg.moments import EXAMPLE, read_moment
from bunbase.pkg.openapi import answers
from bunbase.pkg.sent_texts import TIME
from bunbase.platform.routes.orgs import OrgRef

TAGS: Final = ["Audit log"]
NDJSON: Final = "application/x-ndjson"
ACTION: Final = "^[a-z][a-z0-9_.]{0,63}$"

Actor = Annotated[str | None, QueryParameter(pattern=ID, description="Only acts of this account or key, by its id.")]
Action = Annotated[
    str | None, QueryParameter(pattern=ACTION, description="Only acts with this name, such as `key.delete`.")
]
Since = Annotated[
    str | None,
    QueryParameter(
        schema_extra=TIME,
        description="Only acts from this time on, in RFC 3339.",
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        schema_extra=TIME,
        description="Only acts before this time, in RFC 3339.",
    ),
]

EXPORTED: Final = {200: answers(AuditEntry, "NDJSON: one entry in each line, newest first.", NDJSON)}


def audit_filter(actor: Actor = None, action: Action = None, since: Since = None, until: Until = None) -> AuditFilter:
    """Return the filter that all of these routes take in their query. Raises: InvalidInput."""
    return AuditFilter(actor, action, _time("since", since), _time("until", until))


FILTERED: Final = {"audited": Provide(audit_filter, sync_to_thread=False)}


@get("/api/projects/{project:str}/audit", summary="Read the audit log of a project", tags=TAGS, dependencies=FILTERED)
async def list_audit(
    member: Injected[Caller],
    platform: Injected[Platform],
    audited: Injected[AuditFilter],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> AuditPage:
    """Returns the acts of members and keys, newest first. The caller needs the role admin.

    An entry with the outcome `unknown` belongs to an act that is under way, or during which the server stopped.
    """
    return await platform.audit(member, audited, limit, cursor)


@get(
    "/api/projects/{project:str}/audit/export",
    summary="Export the audit log of a project",
    tags=TAGS,
    responses=EXPORTED,
    dependencies=FILTERED,
)
async def export_audit(
    member: Injected[Caller], platform: Injected[Platform], audited: Injected[AuditFilter]
) -> Stream:
    """Streams all entries that match, newest first. The caller needs the role admin."""
    return await _exported(platform.export_audit(member, audited))


@get("/api/orgs/{org:str}/audit", summary="Read the audit log of an organisation", tags=TAGS, dependencies=FILTERED)
async def list_org_audit(
    developer: Injected[Caller],
    platform: Injected[Platform],
    audited: Injected[AuditFilter],
    org: OrgRef,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> AuditPage:
    """Returns the acts on the organisation, its members and invitations, and the projects that were created, renamed,
    deleted, restored, transferred or suspended, newest first. The caller needs the role admin in the organisation.
    """
    return await platform.audit(developer, audited, limit, cursor, org)


@get(
    "/api/orgs/{org:str}/audit/export",
    summary="Export the audit log of an organisation",
    tags=TAGS,
    responses=EXPORTED,
    dependencies=FILTERED,
)
async def export_org_audit(
    developer: Injected[Caller], platform: Injected[Platform], audited: Injected[AuditFilter], org: OrgRef
) -> Stream:
    """Streams all entries that match, newest first. The caller needs the role admin in the organisation."""
    return await _exported(platform.export_audit(developer, audited, org))


@get("/api/admin/audit", summary="Read the audit log of the installation", tags=TAGS, dependencies=FILTERED)
async def list_installation_audit(
    developer: Injected[Caller],
    platform: Injected[Platform],
    audited: Injected[AuditFilter],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> AuditPage:
    """Returns the acts in all projects and outside of projects, newest first, to administrators of the installation."""
    return await platform.installation_audit(developer, audited, limit, cursor)


@get(
    "/api/admin/audit/export",
    summary="Export the audit log of the installation",
    tags=TAGS,
    responses=EXPORTED,
    dependencies=FILTERED,
)
async def export_installation_audit(
    developer: Injected[Caller], platform: Injected[Platform], audited: Injected[AuditFilter]
) -> Stream:
    """Streams all entries that match, newest first, to administrators of the installation."""
    return await _exported(platform.export_installation_audit(developer, audited))


async def _exported(batches: AsyncIterator[tuple[AuditEntry, ...]]) -> Stream:
    first = await anext(batches, None)  # raises the errors of the request while a status can still be sent
    return ClosingStream(_lines(first, batches), NDJSON)


async def _lines(
    first: tuple[AuditEntry, ...] | None, batches: AsyncIterator[tuple[AuditEntry, ...]]
) -> AsyncGenerator[bytes, None]:
    if first:
        yield _ndjson(first)
        async for batch in batches:
            yield _ndjson(batch)


def _ndjson(batch: tuple[AuditEntry, ...]) -> bytes:
    return b"".join([api_json(entry) + b"\n" for entry in batch])


def _time(name: str, sent: str | None) -> datetime | None:
    """Return a time of the query. Raises: InvalidInput."""
    if sent is None:
        return None
    try:
        return read_moment(sent)
    except ValueError:
        raise InvalidInput.at(f"/{name}", f"{name} must be a time such as {EXAMPLE}.") from None


ROUTES = (
    list_audit,
    export_audit,
    list_org_audit,
    export_org_audit,
    list_installation_audit,
    export_installation_audit,
)
