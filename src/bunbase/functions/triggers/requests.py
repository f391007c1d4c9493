"""Builds the request that a function receives for a job."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from bunbase.contracts.bundoc.documents import ChangeEntry
from bunbase.functions.workers.deployment import Request, Trigger
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.ids import new_id

KIND: Final = "x-bunbase-trigger"
JOB: Final = "x-bunbase-job"
ATTEMPT: Final = "x-bunbase-attempt"


class ChangedDocument(msgspec.Struct, frozen=True):
    """The address of a changed document."""

    collection: str
    id: str


def request_of(trigger: Trigger, body: bytes) -> Request:
    headers = (
        ("host", "function"),
        ("content-type", "application/json"),
        (KIND, trigger.kind.value),
        (JOB, trigger.job),
        (ATTEMPT, str(trigger.attempt)),
    )
    return Request(new_id("inv"), "POST", "/", headers, None, body, trigger)


def cron_payload(scheduled_at: datetime) -> bytes:
    return msgspec.json.encode({"scheduled_at": rfc3339(scheduled_at)})


def change_payload(change: ChangeEntry) -> bytes:
    """Return the change as JSON, without its document. The document is read when the function runs."""
    told = {name: getattr(change, name) for name in ("op", "collection", "id", "rev", "at")}
    return msgspec.json.encode(told)


def changed_document(payload: bytes) -> ChangedDocument:
    return msgspec.json.decode(payload, type=ChangedDocument)


def with_document(payload: bytes, document: bytes | None) -> bytes:
    return payload if document is None else payload[:-1] + b',"document":' + document + b"}"
