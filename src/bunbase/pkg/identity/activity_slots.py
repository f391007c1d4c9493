"""Slots decide which entries of an activity log share one row.

Equal refused attempts of the same hour are one row with a count. A log has a limited number of rows per account and
hour. When the limit is reached, all later entries of the hour share one row for each kind of act. So nobody can fill
the log.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

import msgspec

MAX_REFUSED: Final = 20  # An account has at most this many separate rows in an hour.
MAX_DONE: Final = 200
MAX_TEXT: Final = 200  # A program's name or a target has at most this many characters. Longer texts are cut.


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def shared_slot(at: datetime, *same: str) -> str:
    """Return the slot of attempts for which all values in `same` are equal."""
    return f"{at:%Y%m%d%H} {hashlib.sha256(msgspec.json.encode(same)).hexdigest()}"


def full_slot(at: datetime, action: str, outcome: str) -> str:
    """Return the slot of an entry after the limit of rows for its hour is reached."""
    return f"{at:%Y%m%d%H} {action} {outcome}"


def cut(text: str) -> str:
    """Return the text, cut so that a row can hold it."""
    return text.replace("\0", "�")[:MAX_TEXT]
