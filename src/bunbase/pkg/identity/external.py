"""Sign-in by another service, and the identities of an account."""

from __future__ import annotations

from datetime import datetime

import msgspec


class LoginProvider(msgspec.Struct, frozen=True):
    """`name`: the name of the provider in URL paths. `title`: the name that people see."""

    name: str
    title: str
    kind: str


class LoginProviders(msgspec.Struct, frozen=True):
    items: tuple[LoginProvider, ...]


class ExternalStart(msgspec.Struct, frozen=True):
    """`code_challenge`: the PKCE challenge of the client (S256). `link`: a ticket, if an identity is to be linked.
    `browser`: the secret in the cookie of an earlier start; empty if there is none.
    """

    redirect_to: str
    code_challenge: str
    link: str = ""
    browser: str = ""


class ExternalRedirect(msgspec.Struct, frozen=True):
    """The URL to which the browser must go. `browser`: the secret for the browser's cookie."""

    url: str
    browser: str = ""


class ExternalAnswer(msgspec.Struct, frozen=True):
    """The answer of a provider, which the browser delivers. `browser`: the secret in the browser's cookie."""

    state: str
    browser: str
    code: str = ""
    iss: str = ""
    error: str = ""


class Identity(msgspec.Struct, frozen=True):
    """A person of another service that may sign in to the account. `email`: the address at that service."""

    id: str
    provider: str
    email: str | None
    created_at: datetime
    last_used_at: datetime


class Identities(msgspec.Struct, frozen=True):
    items: tuple[Identity, ...]
    next: str | None = None


class LinkTicket(msgspec.Struct, frozen=True):
    """`ticket`: the parameter `link` of the start. The ticket works once."""

    ticket: str
    expires_in: int
