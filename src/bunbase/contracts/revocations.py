"""What has lost its power before its time: pushed to every process, so that no request needs a look-up."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RevokedKind(StrEnum):
    SESSION = "session"
    TOKEN = "token"  # a personal access token
    KEY = "key"
    MEMBERSHIP = "membership"  # id: `<project>:<user>`
    PROJECT = "project"
    USER = "user"  # id: `<user>:<version>`, as `user_version` writes it; every access token of that version
    READY = "ready"  # everything revoked so far has been told; what follows is news
    ALIVE = "alive"  # nothing new; the feed still stands


class Revocation(msgspec.Struct, frozen=True):
    """`until`: Unix seconds after which the credential is dead by itself and this may be forgotten."""

    kind: RevokedKind
    id: str = ""
    until: float = 0.0


def user_version(user: str, version: int) -> str:
    """Name all access tokens that an end user got while what they say was true; the next have the next version."""
    return f"{user}:{version}"
