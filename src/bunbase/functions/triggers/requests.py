"""Builds the request that a function receives for a job."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.documents import ChangeEntry
from bunbase.contracts.functions.hooks import HookName
from bunbase.contracts.functions.triggers import TriggerKind
from bunbase.functions.workers.deployment import Request, Trigger
from bunbase.pkg.clock import rfc3339
from bunbase.pkg.ids import new_id

KIND: Final = "x-bunbase-trigger"
JOB: Final = "x-bunbase-job"
ATTEMPT: Final = "x-bunbase-attempt"


class KeptChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change as its job stores it in PostgreSQL.

    The stored change contains no document, because Bundoc encrypts documents.

    `seq`: the number of the change; 0 in jobs of older versions. `has_image`: true if the change log has the document
    before the change. `backfill`: true if the document already existed, and a backfill has added the change.
    """

    op: str
    collection: str
    id: str
    rev: int
    at: str
    seq: int = 0
    has_image: bool = False
    backfill: bool = False


class NamedHook(msgspec.Struct, frozen=True):
    """The part of an event that names its hook."""

    hook: HookName


def request_of(trigger: Trigger, body: bytes) -> Request:
    headers = (
        ("host", "function"),
        ("content-type", "application/json"),
        (KIND, trigger.kind.value),
        (JOB, trigger.job),
        (ATTEMPT, str(trigger.attempt)),
    )
    hook = hook_of(body) if trigger.kind is TriggerKind.HOOK else ""
    return Request(new_id("inv"), "POST", "/", headers, None, body, trigger, hook=hook)


def hook_event(hook: HookName, event: dict[str, Any] | bytes) -> bytes:
    """Return the event of a hook as JSON. The event names the hook, so the payload of a job needs nothing else."""
    if isinstance(event, bytes):
        return b'{"hook":"' + hook.encode() + b'",' + event[1:]
    return msgspec.json.encode({**event, "hook": hook})


def hook_of(payload: bytes) -> HookName:
    return msgspec.json.decode(payload, type=NamedHook).hook


def cron_payload(scheduled_at: datetime) -> bytes:
    return msgspec.json.encode({"scheduled_at": rfc3339(scheduled_at)})


def change_payload(change: ChangeEntry) -> bytes:
    """Return the change as JSON, without its documents, which are read when the function runs."""
    kept = KeptChange(
        change.op, change.collection, change.id, change.rev, change.at, change.seq, change.before is not None
    )
    return msgspec.json.encode(kept)


def kept_change(payload: bytes) -> KeptChange:
    return msgspec.json.decode(payload, type=KeptChange)


def change_event(change: KeptChange, document: bytes | None, before: bytes | None) -> bytes:
    """Return the change as JSON, with the document as it is now, and as it was before the change."""
    event: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(change, has_image=False))
    if document is not None:
        event["document"] = msgspec.Raw(document)
    if before is not None:
        event["before"] = msgspec.Raw(before)
    return msgspec.json.encode(event)
