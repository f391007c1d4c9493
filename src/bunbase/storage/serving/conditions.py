"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since (RFC 9110 §13).

Headers have whole seconds, so the time of an object is compared in whole seconds, too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from bunbase.contracts.storage import Conditions, ObjectChanged

TAG: Final = re.compile(r'(W/)?"([^"]*)"')
ANY: Final = "*"

STALE: Final = "The object has changed: read it again, or leave the condition out."
THERE: Final = "The object exists already, and the request is only for a new object (If-None-Match)."
MISSING: Final = "There is no such object, and the request is only for an object that exists (If-Match)."


def check_write(conditions: Conditions, etag: str | None, updated: datetime | None) -> None:
    """Check the conditions of a write. `etag`, `updated`: the values of the present object; None if there is none.

    Raises: ObjectChanged.
    """
    if conditions.if_match is not None:
        if etag is None:
            raise ObjectChanged(MISSING)
        if not _has(conditions.if_match, etag, strong=True):
            raise ObjectChanged(STALE)
    elif updated is not None and _is_later(updated, conditions.if_unmodified_since):
        raise ObjectChanged(STALE)
    if conditions.if_none_match is not None and etag is not None and _has(conditions.if_none_match, etag):
        raise ObjectChanged(THERE)


def is_unchanged(conditions: Conditions, etag: str, updated: datetime) -> bool:
    """True if a read is answered with 304. Raises: ObjectChanged.

    The order is that of RFC 9110 §13.2.2: a condition on the ETag replaces a condition on the time.
    """
    if conditions.if_match is not None:
        if not _has(conditions.if_match, etag, strong=True):
            raise ObjectChanged(STALE)
    elif _is_later(updated, conditions.if_unmodified_since):
        raise ObjectChanged(STALE)
    if conditions.if_none_match is not None:
        return _has(conditions.if_none_match, etag)
    return http_date(conditions.if_modified_since) is not None and not _is_later(updated, conditions.if_modified_since)


def is_same(if_range: str, etag: str, updated: datetime) -> bool:
    """True if the range may be used: there is no If-Range, or it names this object (RFC 9110 §13.1.5)."""
    if not if_range:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == f'"{etag}"'
    return http_date(if_range) == updated.replace(microsecond=0)


def http_date(text: str | None) -> datetime | None:
    """Return the time of a header; None if there is none, or if it is not a date."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def last_modified(updated: datetime) -> str:
    """Return the time as the header Last-Modified, which has whole seconds."""
    return format_datetime(updated.astimezone(UTC), usegmt=True)


def _is_later(updated: datetime, header: str | None) -> bool:
    """True if the object was changed after the time of the header; False without a valid time."""
    since = http_date(header)
    return since is not None and updated.replace(microsecond=0) > since


def _has(header: str, etag: str, strong: bool = False) -> bool:
    """True if a list of ETags has this one. `strong`: weak ETags do not count."""
    if header.strip() == ANY:
        return True
    found = TAG.findall(header)
    if not found:  # some clients send an ETag without quotation marks
        return header.strip() == etag
    return any(tag == etag and not (strong and weak) for weak, tag in found)
