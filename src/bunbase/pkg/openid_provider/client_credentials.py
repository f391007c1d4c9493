"""Read the credentials that a client sends to a token endpoint (RFC 6749 §2.3.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

import msgspec


class UnreadableCredentials(Exception): ...


class ClientCredentials(msgspec.Struct, frozen=True):
    """The credentials of a client. `secret` is empty for a public client.

    `basic`: true if the client used HTTP Basic, so that a refusal must name this scheme.
    """

    id: str
    secret: str
    basic: bool = False


def read_credentials(authorization: str, form: Mapping[str, str]) -> ClientCredentials:
    """Return the credentials of the header or of the form. Raises: UnreadableCredentials, also if both have
    credentials.
    """
    in_form = ClientCredentials(form.get("client_id", ""), form.get("client_secret", ""))
    if not authorization:
        return in_form
    id, secret = _basic(authorization)
    if in_form.secret or in_form.id not in ("", id):
        raise UnreadableCredentials("Send the credentials only once: with HTTP Basic or in the body.")
    return ClientCredentials(id, secret, basic=True)


def _basic(header: str) -> tuple[str, str]:
    """Return id and secret, both form-decoded."""
    scheme, _, sent = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        id, colon, secret = base64.b64decode(sent.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        raise UnreadableCredentials("Send the header in this form: Authorization: Basic <base64>.") from None
    return unquote_plus(id), unquote_plus(secret)
