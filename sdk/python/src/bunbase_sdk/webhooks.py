"""Check the signatures of webhooks.

A signature is an HMAC-SHA256 of the bytes of the body, exactly as they arrived: check it before you parse the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from bunbase_sdk.problem import Denied, invalid_value

Scheme = Literal["stripe", "github", "standard-webhooks"]
TOLERANCE_SECONDS: Final = 300
MAX_SIGNATURES: Final = 16  # each check reads the whole body, and an attacker may send thousands of signatures
SECONDS: Final = re.compile(r"[0-9]{1,12}")
HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook with a valid signature. `id`: the id of the message, to detect repeated deliveries."""

    content: bytes
    id: str | None

    def json(self) -> Any:
        """Return the value of the body. Raises: ValueError."""
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Claim:
    """The values of a request before they are checked. `at`: the signed time, in seconds since 1970."""

    signed: bytes
    signatures: list[bytes]
    at: int | None
    id: str | None


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    scheme: Scheme = "standard-webhooks",
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Webhook:
    """Return the webhook, if its signature is valid. The comparison takes constant time.

    `body`: the bytes as they arrived. `secret`: one secret, or several while you replace a secret. `tolerance_seconds`:
    the largest difference between the signed time and now; GitHub's signatures contain no time. Raises: Denied
    `signature_missing`, `signature_invalid` or `timestamp_out_of_tolerance`.

    ```python
    event = webhooks.verify(body, headers, secret, scheme="stripe").json()
    ```
    """
    if not isinstance(body, bytes):
        raise invalid_value("body", "Pass the bytes of the body as they arrived, before anything parses them.")
    if scheme not in CLAIMS:
        raise invalid_value("scheme", f"There is no scheme {scheme!r}: use {', '.join(CLAIMS)}.")
    secrets = [secret] if isinstance(secret, str) else [*secret]
    if not secrets:
        raise invalid_value("secret", "There is no secret in the list.")
    keys = [_key(scheme, one) for one in secrets]
    claim = CLAIMS[scheme]({name.lower(): value for name, value in headers.items()}, body)
    if claim.at is not None and abs((time.time() if now is None else now) - claim.at) > tolerance_seconds:
        detail = f"The signed time differs from the current time by more than {tolerance_seconds:g} s."
        raise Denied("timestamp_out_of_tolerance", detail, status=401)
    for key in keys:
        expected = hmac.digest(key, claim.signed, hashlib.sha256)
        if any(hmac.compare_digest(expected, one) for one in claim.signatures[:MAX_SIGNATURES]):
            return Webhook(body, claim.id)
    raise _invalid("No signature fits the body and the secret.")


def _stripe(headers: Mapping[str, str], body: bytes) -> Claim:
    parts = [part.strip().partition("=") for part in _needed(headers, "stripe-signature").split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    signatures = [_hex(value) for name, _, value in parts if name == "v1"]
    return Claim(f"{at}.".encode() + body, signatures, _seconds(at), None)


def _github(headers: Mapping[str, str], body: bytes) -> Claim:
    signature = _needed(headers, "x-hub-signature-256").removeprefix("sha256=")
    return Claim(body, [_hex(signature)], None, headers.get("x-github-delivery"))


def _standard(headers: Mapping[str, str], body: bytes) -> Claim:
    id, at = _needed(headers, "webhook-id"), _needed(headers, "webhook-timestamp")
    signatures = _needed(headers, "webhook-signature").split(" ")
    found = [_base64(one[3:]) for one in signatures if one.startswith("v1,")]
    return Claim(f"{id}.{at}.".encode() + body, found, _seconds(at), id)


CLAIMS: Final = {"stripe": _stripe, "github": _github, "standard-webhooks": _standard}


def _key(scheme: Scheme, secret: str) -> bytes:
    """Return the bytes of a secret. Standard Webhooks uses `whsec_` and base64; the other schemes use plain text."""
    if not isinstance(secret, str) or not secret:
        raise invalid_value("secret", "The secret is missing. Is its variable set?")
    if scheme != "standard-webhooks":
        return secret.encode()
    key = _base64(secret.removeprefix("whsec_"))
    if not key:
        raise invalid_value("secret", "The secret cannot be read: it is whsec_ followed by base64.")
    return key


def _needed(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise Denied("signature_missing", f"The header {name} is missing.", status=401)
    return value


def _seconds(text: str) -> int:
    if not SECONDS.fullmatch(text):
        raise _invalid("The signature has no valid time.")
    return int(text)


def _hex(text: str) -> bytes:
    return bytes.fromhex(text) if HEX.fullmatch(text) else b""


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _invalid(detail: str) -> Denied:
    return Denied("signature_invalid", detail, status=401)
