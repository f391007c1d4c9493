"""Credentials that were revoked before they expired.

They are pushed to every process, so that no request needs a look-up.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RevokedKind(StrEnum):
    SESSION = "session"
    TOKEN = "token"  # a personal access token
    KEY = "key"
    MEMBERSHIP = "membership"  # id: `<project>:<user>`
    PROJECT = "project"
    USER = "user"  # id: `<user>:<version>`, as `user_version` writes it; it means every access token of that version
    READY = "ready"  # all earlier revocations have been sent; new ones follow
    ALIVE = "alive"  # nothing new; the feed is still connected


class Revocation(msgspec.Struct, frozen=True):
    """`until`: Unix seconds at which the credential expires anyway, so that the revocation can be forgotten."""

    kind: RevokedKind
    id: str = ""
    until: float = 0.0


def user_version(user: str, version: int) -> str:
    """Return the id that names all access tokens of one version of an end user.

    A change of the user begins the next version.
    """
    return f"{user}:{version}"
