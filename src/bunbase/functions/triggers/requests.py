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


class ChangedDocument(msgspec.Struct, frozen=True):
    """The address of a changed document."""

    collection: str
    id: str


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
    """Return the event of a hook as JSON. It names the hook, so that the payload of a job needs nothing else."""
    if isinstance(event, bytes):
        return b'{"hook":"' + hook.encode() + b'",' + event[1:]
    return msgspec.json.encode({**event, "hook": hook})


def hook_of(payload: bytes) -> HookName:
    return msgspec.json.decode(payload, type=NamedHook).hook


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
