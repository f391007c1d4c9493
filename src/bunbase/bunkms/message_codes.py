"""HMAC-SHA256 over messages, under keys derived from an owner's key-encryption keys."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from bunbase.bunkms.envelope import joined

PURPOSE: Final = b"bunkms message authentication v1"


def message_code(key: bytes, owner: str, version: int, context: str, message: bytes) -> bytes:
    """Return 32 bytes.

    `key`: the owner's key-encryption key of that version. A separate HMAC key is derived from it.
    """
    own = hmac.digest(key, PURPOSE, hashlib.sha256)
    return hmac.digest(own, joined((owner, str(version), context)) + message, hashlib.sha256)
