"""Show an audit log, or the activity of users, line by line, and go on with new entries as they appear."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from rich.text import Text

from bunbase.cli.audit_follow import Follower, follow
from bunbase.cli.http import Call
from bunbase.cli.outage import Outage
from bunbase.cli.output import Output
from bunbase.cli.session import Session
from bunbase.cli.tables import visible
from bunbase.contracts.audit import AuditEntry, AuditPage
from bunbase.contracts.tenant_auth.activity import ManagedActivity, ManagedActivityEntry
from bunbase.pkg.clock import rfc3339

E = TypeVar("E", AuditEntry, ManagedActivityEntry)


def follow_log(
    session: Session, call: Call, page: AuditPage | ManagedActivity, row_of: Callable[[E], tuple[Any, ...]], out: Output
) -> None:
    """Show the entries of a page and then new entries, until the user stops the command.

    `call`: the request for all entries that the user wants. `page`: the newest of these entries. `row_of`: returns the
    columns of an entry, beginning with its time.
    """
    items: tuple[Any, ...] = page.items

    def entries_since(since: datetime | None) -> tuple[E, ...]:
        """Return all entries since a time, or since the time in `call` if that is later, newest first."""
        later = max(rfc3339(since) if since else "", call.params.get("since", ""))
        asked = dataclasses.replace(call, params={**call.params, "since": later}) if later else call
        found: tuple[Any, ...] = session.ask_all(type(page), asked).items
        return found

    follower = Follower(entries_since, items[0] if items else None)
    for entry in reversed(items):
        _show(entry, row_of, out)
    for entry in follow(follower, Outage(session.url, out.warn)):
        _show(entry, row_of, out)


def _show(entry: E, row_of: Callable[[E], tuple[Any, ...]], out: Output) -> None:
    if out.json:
        out.document(entry)
        return
    text = " ".join(visible(str(part)) for part in row_of(entry)[1:] if part)
    out.results.print(Text.assemble((f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S} ", "dim"), text), soft_wrap=True)
