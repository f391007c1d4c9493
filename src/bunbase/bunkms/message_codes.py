"""Message authentication codes: HMAC-SHA256 with keys derived from an owner's key-encryption keys."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from bunbase.bunkms.envelope import joined

PURPOSE: Final = b"bunkms message authentication v1"


def message_code(key: bytes, owner: str, version: int, context: str, message: bytes) -> bytes:
    """Return the code of a message: 32 bytes.

    `key`: the owner's key-encryption key of this version. The HMAC key is derived from this key.
    """
    own = hmac.digest(key, PURPOSE, hashlib.sha256)
    return hmac.digest(own, joined((owner, str(version), context)) + message, hashlib.sha256)
