"""The audit log: who did what, when and from where. This file is a part of Platform's contract.

The life of one entry:

    1. The gateway calls `begin_act` before the handler runs. If the entry cannot be stored, the gateway refuses the
       act.
    2. The handler runs.
    3. The gateway calls `end_act` with the outcome. If an entry has no outcome, the process ended during the act, or
       the outcome could not be stored. The act may have happened or not.

See docs/decisions/0049-an-entry-before-the-act.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem


class AuditUnavailable(Problem):
    status, code, title = 503, "audit_unavailable", "The audit log cannot be written, so this act was refused"


class ActorKind(StrEnum):
    DEVELOPER = "developer"
    KEY = "key"
    ANONYMOUS = "anonymous"


class AuditOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # the caller may not do the act (403), or a sign-in failed (401)
    CHALLENGED = "challenged"  # the act did not begin, because the caller must first prove to own the account (401)
    FAILED = "failed"  # the act failed with another error
    UNKNOWN = "unknown"  # the server stopped during the act, or could not store the outcome


class AuditActor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The caller of an act, as it was at that time. `id`: the id of the account or of the project's key.

    `credential`: the session (`ses_…`) or the personal access token (`tok_…`) that the caller used.
    """

    kind: ActorKind
    id: str
    email: str | None = None
    credential: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One act. `target`: the id or name of the changed thing. `status`: the HTTP status of the answer.

    `org`: the organisation of the act, or of a project that was created, changed, deleted or transferred.

    `before`, `after`: the values of the target before and after the act, without secrets; only for some acts. `count`:
    the number of refused attempts that this entry represents.
    """

    id: str
    at: datetime
    actor: AuditActor
    action: str
    target: str
    ip: str
    outcome: AuditOutcome
    status: int | None = None
    agent: str = ""
    request_id: str = ""
    project: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    count: int = 1
    org: str = ""


class AuditPage(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: tuple[AuditEntry, ...]
    next: str | None


class AuditFilter(msgspec.Struct, frozen=True):
    """A filter of entries. A field that is left out does not restrict the entries.

    `actor`: the id of an account or key. `since` is inclusive, and `until` is exclusive.
    """

    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ALL_ENTRIES = AuditFilter()


class AuditedAct(msgspec.Struct, frozen=True):
    """An act that begins. `action`: the stable name of the act, such as `key.delete`. `org`: an organisation's id or
    slug.
    """

    action: str
    target: str = ""
    request_id: str = ""
    org: str = ""


class ActEnd(msgspec.Struct, frozen=True):
    """The outcome of an act. `target`, `project`: the id of a created thing, and its project. `org`: the organisation
    that the act has created or entered, or to which a project now belongs.
    """

    status: int
    after: dict[str, Any] | None = None
    target: str = ""
    project: str = ""
    org: str = ""


class AuditLog(Protocol):
    async def begin_act(self, caller: Caller, act: AuditedAct) -> str:
        """Store an entry without an outcome, and return its id."""
        ...

    async def end_act(self, id: str, end: ActEnd) -> None:
        """Store the outcome of an act. An entry gets only one outcome: a second call changes nothing."""
        ...

    async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
        """Store one entry for `count` attempts that were refused before the act began."""
        ...

    async def audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None, org: str | None = None
    ) -> AuditPage:
        """Return the entries of an organisation, or of the caller's project if `org` is None, newest first.

        Raises: OrganisationNotFound, Forbidden, InvalidCursor.
        """
        ...

    async def installation_audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None
    ) -> AuditPage:
        """Return the entries of the whole installation, newest first. Raises: Forbidden, InvalidCursor."""
        ...

    def export_audit(
        self, caller: Caller, filter: AuditFilter, org: str | None = None
    ) -> AsyncIterator[tuple[AuditEntry, ...]]:
        """Yield all entries of the organisation or project in batches, newest first.

        Raises: the problems of `audit`.
        """
        ...

    def export_installation_audit(self, caller: Caller, filter: AuditFilter) -> AsyncIterator[tuple[AuditEntry, ...]]:
        """Yield all entries of the installation in batches, newest first. Raises: Forbidden."""
        ...
