"""Sign-in by another service, and the identities of an account. `pkg/identity` defines parts of the contract."""

from __future__ import annotations

import msgspec

from bunbase.pkg.identity.external import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    Identity,
    LinkTicket,
    LoginProvider,
    LoginProviders,
)

__all__ = [
    "CodeExchange",
    "ExternalAnswer",
    "ExternalRedirect",
    "ExternalStart",
    "Identities",
    "Identity",
    "LinkTicket",
    "LoginProvider",
    "LoginProviders",
]


class CodeExchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`verifier`: the verifier of the challenge that the client sent at the start. `invite`: the token of an
    invitation, for people who have no account yet.
    """

    code: str
    verifier: str
    invite: str = ""
