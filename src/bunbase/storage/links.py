"""Signed links: tokens that allow one request for one object, without a key.

A token names the bucket, the key, the method and the end. It is authenticated with HMAC-SHA256, under a key that is
derived from the root key of the project. So a link costs no call of BunKMS, and no other project accepts it. The token
also has the number of the bucket: the links of a bucket end when the bucket is deleted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bunbase.contracts.storage import InvalidLink

PURPOSE: Final = b"bunbase storage links 1"
MAX_TOKEN: Final = 8192
REFUSED: Final = "Ask for a new link: this one is damaged, is for another request, or has expired."


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """The right that a link gives. `bucket`: the number of the bucket. `until`: Unix seconds. `by`: the id of the key
    or account that made the link.
    """

    root: int
    bucket: int
    key: str
    method: str
    until: int
    by: str = ""
    content_type: str = ""
    max_bytes: int | None = None


def signed(root: bytes, project: str, grant: Grant) -> str:
    """Return the token of a link."""
    text = msgspec.json.encode(grant)
    return f"{_encoded(text)}.{_encoded(_code(root, project, text))}"


def checked(roots: dict[int, bytes], project: str, token: str, now: float) -> Grant:
    """Return the right that a token gives. Raises: InvalidLink."""
    text, _, code = token[:MAX_TOKEN].partition(".")
    try:
        grant = msgspec.json.decode(_decoded(text), type=Grant)
        sent = _decoded(code)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidLink(REFUSED) from None
    root = roots.get(grant.root)
    if root is None or not hmac.compare_digest(_code(root, project, _decoded(text)), sent) or grant.until <= now:
        raise InvalidLink(REFUSED)
    return grant


def _code(root: bytes, project: str, text: bytes) -> bytes:
    key = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(root)
    return hmac.digest(key, project.encode() + b"\n" + text, "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encoded(found) != text:  # otherwise one link would have several spellings
        raise ValueError
    return found
