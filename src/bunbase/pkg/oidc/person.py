"""The result of a sign-in at a provider, the interface of its clients, and their errors."""

from __future__ import annotations

import base64
import hashlib
from typing import Final, Protocol

import msgspec

MAX_SUBJECT_LENGTH: Final = 255  # A subject has at most this many characters (OpenID Connect Core 1.0 §2).


class ProviderFailed(Exception):
    """The provider cannot be reached, or its answer is wrong. The message is for the operator's log."""


class ProviderRefused(Exception):
    """The provider has not signed the person in. `code`: the error code of the provider, such as "access_denied"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Person(msgspec.Struct, frozen=True):
    """A person as the provider describes them. `subject`: the id, which never changes. `email`: None if unknown."""

    subject: str
    email: str | None
    email_verified: bool
    name: str = ""


class Secrets(msgspec.Struct, frozen=True):
    """The values of one sign-in. `verifier`: the verifier of PKCE (RFC 7636), with 43 to 128 characters."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        return challenge_of(self.verifier)


class ProviderAnswer(msgspec.Struct, frozen=True):
    """The parameters with which the provider sends the browser back. A missing parameter is an empty text."""

    code: str = ""
    iss: str = ""
    error: str = ""


class Provider(Protocol):
    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        """Return the URL to which the browser goes. Raises: ProviderFailed."""
        ...

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        """Return the person that has signed in. Raises: ProviderFailed, ProviderRefused."""
        ...

    async def close(self) -> None: ...


def challenge_of(verifier: str) -> str:
    """Return the PKCE challenge of a verifier, by the method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
